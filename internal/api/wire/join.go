package wire

import (
	"github.com/havre-cloud/havre/internal/api/havrev1"
	"github.com/havre-cloud/havre/internal/havre"
)

// Join returns the request to pair a device.
func Join(r havre.JoinRequest) *havrev1.JoinRequest {
	return &havrev1.JoinRequest{
		Secret:        r.Secret,
		DeviceName:    text(r.DeviceName),
		ClientVersion: text(r.ClientVersion),
		Platform:      text(r.Platform),
	}
}

// DecodeJoin checks a request to pair a device.
func DecodeJoin(m *havrev1.JoinRequest) (havre.JoinRequest, error) {
	for what, s := range map[string]string{
		"secret": m.GetSecret(), "name of the device": m.GetDeviceName(),
		"version": m.GetClientVersion(), "platform": m.GetPlatform(),
	} {
		if _, err := DecodeText(what, s, MaxName); err != nil {
			return havre.JoinRequest{}, err
		}
	}
	return havre.JoinRequest{
		Secret:        m.GetSecret(),
		DeviceName:    m.GetDeviceName(),
		ClientVersion: m.GetClientVersion(),
		Platform:      m.GetPlatform(),
	}, nil
}

// Joined returns what a paired device gets.
func Joined(j *havre.Joined) *havrev1.JoinResponse {
	return &havrev1.JoinResponse{
		Token:      j.Token,
		DeviceId:   string(j.Device),
		UserName:   text(j.UserName),
		ServerName: text(j.ServerName),
	}
}

// DecodeJoined checks what a paired device gets.
func DecodeJoined(m *havrev1.JoinResponse) (*havre.Joined, error) {
	if m.GetToken() == "" || m.GetDeviceId() == "" {
		return nil, invalid("the server sent no token for the device")
	}
	return &havre.Joined{
		Token:      m.GetToken(),
		Device:     havre.DeviceID(m.GetDeviceId()),
		UserName:   m.GetUserName(),
		ServerName: m.GetServerName(),
	}, nil
}
