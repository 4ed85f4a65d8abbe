package wire

import (
	"errors"
	"net/http"

	"connectrpc.com/connect"

	"github.com/havre-cloud/havre/internal/api/havrev1"
	"github.com/havre-cloud/havre/internal/havre"
)

// codes says how each havre.Code looks to clients that know only the status of ConnectRPC or of
// HTTP. Those that speak the protocol read the ErrorDetail.
var codes = map[havre.Code]struct {
	rpc  connect.Code
	http int
}{
	havre.CodeInternal:        {connect.CodeInternal, http.StatusInternalServerError},
	havre.CodeInvalid:         {connect.CodeInvalidArgument, http.StatusBadRequest},
	havre.CodeUnauthenticated: {connect.CodeUnauthenticated, http.StatusUnauthorized},
	havre.CodeDenied:          {connect.CodePermissionDenied, http.StatusForbidden},
	havre.CodeNotFound:        {connect.CodeNotFound, http.StatusNotFound},
	havre.CodeExists:          {connect.CodeAlreadyExists, http.StatusConflict},
	havre.CodeFull:            {connect.CodeResourceExhausted, http.StatusInsufficientStorage},
	havre.CodeUnavailable:     {connect.CodeUnavailable, http.StatusServiceUnavailable},
	havre.CodeHistoryWentBack: {connect.CodeFailedPrecondition, http.StatusPreconditionFailed},
	havre.CodeRightsChanged:   {connect.CodeAborted, http.StatusConflict},
}

// Detail returns what of e crosses the network.
func Detail(e *havre.Error) *havrev1.ErrorDetail {
	return &havrev1.ErrorDetail{Code: string(e.Code), Text: text(e.Text)}
}

// HTTPStatus returns the status of an answer that carries e.
func HTTPStatus(e *havre.Error) int {
	if c, ok := codes[e.Code]; ok {
		return c.http
	}
	return http.StatusInternalServerError
}

// ConnectError returns e as ConnectRPC sends it.
func ConnectError(e *havre.Error) *connect.Error {
	code := connect.CodeInternal
	if c, ok := codes[e.Code]; ok {
		code = c.rpc
	}
	ce := connect.NewError(code, errors.New(text(e.Text)))
	// Marshalling two strings of UTF-8 does not fail.
	if d, err := connect.NewErrorDetail(Detail(e)); err == nil {
		ce.AddDetail(d)
	}
	return ce
}

// DecodeError returns the failure in a message, nil if there is none. A code that this program
// does not know counts as CodeInternal.
func DecodeError(m *havrev1.ErrorDetail) *havre.Error {
	if m == nil {
		return nil
	}
	e := &havre.Error{Code: havre.Code(m.GetCode()), Text: m.GetText()}
	if _, ok := codes[e.Code]; !ok {
		e.Code = havre.CodeInternal
	}
	return e
}

// DecodeConnectError returns the failure that the other end put into err, nil if it put none there:
// then err comes from the connection, or from ConnectRPC itself.
func DecodeConnectError(err error) *havre.Error {
	ce, ok := errors.AsType[*connect.Error](err)
	if !ok {
		return nil
	}
	for _, d := range ce.Details() {
		v, err := d.Value()
		if err != nil {
			continue
		}
		if m, ok := v.(*havrev1.ErrorDetail); ok {
			return DecodeError(m)
		}
	}
	return nil
}
