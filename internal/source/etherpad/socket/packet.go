package socket

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
)

// The packets of engine.io, the outer layer: one character, then what it carries.
const (
	engineOpen    = '0'
	engineClose   = '1'
	enginePing    = '2'
	enginePong    = '3'
	engineMessage = '4'
	engineUpgrade = '5'
	engineNoop    = '6'
)

// Type is what a packet of socket.io, the inner layer, is for.
type Type byte

// The types of packets. Those with binary attachments are not read: Etherpad has none.
const (
	Connect      Type = '0'
	Disconnect   Type = '1'
	Event        Type = '2'
	Answer       Type = '3'
	ConnectError Type = '4'
)

// maxAnswer bounds the number of an event that wants an answer.
const maxAnswer = 1 << 31

// Packet is one message of socket.io: TYPE[/NAMESPACE,][NUMBER][JSON].
type Packet struct {
	Type      Type
	Namespace string          // "/" or another that begins with it
	Number    int             // of an event that wants an answer, and of the answer; -1 if there is none
	Data      json.RawMessage // valid JSON or nil; for events and answers an array
}

// ParsePacket reads what an engine.io message carries (socket.io-protocol, revisions 4 and 5). Data is a part of s.
func ParsePacket(s []byte) (Packet, error) {
	p := Packet{Namespace: "/", Number: -1}
	if len(s) == 0 {
		return p, errors.New("a message of socket.io is empty")
	}
	p.Type, s = Type(s[0]), s[1:]
	if p.Type < Connect || p.Type > ConnectError {
		return p, fmt.Errorf("a message of socket.io has the type %q", byte(p.Type))
	}
	if len(s) > 0 && s[0] == '/' {
		name, rest, found := bytes.Cut(s, []byte(","))
		if !found {
			rest = nil
		}
		p.Namespace, s = string(name), rest
	}
	digits := 0
	for digits < len(s) && s[digits] >= '0' && s[digits] <= '9' {
		digits++
	}
	if digits > 0 {
		n, err := strconv.Atoi(string(s[:digits]))
		if err != nil || n > maxAnswer {
			return p, errors.New("the number of a message of socket.io is too large")
		}
		p.Number, s = n, s[digits:]
	}
	if len(s) == 0 {
		if p.Type == Event || p.Type == Answer {
			return p, errors.New("an event of socket.io has no content")
		}
		return p, nil
	}
	if !json.Valid(s) {
		return p, errors.New("a message of socket.io is not valid JSON")
	}
	if (p.Type == Event || p.Type == Answer) && s[0] != '[' {
		return p, errors.New("an event of socket.io is not an array")
	}
	p.Data = s
	return p, nil
}

// Append writes the packet as ParsePacket reads it.
func (p Packet) Append(b []byte) []byte {
	b = append(b, byte(p.Type))
	if p.Namespace != "" && p.Namespace != "/" {
		b = append(b, p.Namespace...)
		b = append(b, ',')
	}
	if p.Number >= 0 {
		b = strconv.AppendInt(b, int64(p.Number), 10)
	}
	return append(b, p.Data...)
}

// Args returns the elements of an event or answer: for an event its name and what comes with it.
func (p Packet) Args() ([]json.RawMessage, error) {
	var args []json.RawMessage
	if err := json.Unmarshal(p.Data, &args); err != nil {
		return nil, err
	}
	return args, nil
}

// handshake is what an engine.io server says first.
type handshake struct {
	SID          string `json:"sid"`
	PingInterval int    `json:"pingInterval"` // milliseconds
	PingTimeout  int    `json:"pingTimeout"`
	MaxPayload   int    `json:"maxPayload"` // bytes; 0 before engine.io 6
}

// parseHandshake reads an open packet, with the bounds that keep a heartbeat sensible.
func parseHandshake(s []byte) (handshake, error) {
	var h handshake
	if len(s) == 0 || s[0] != engineOpen {
		return h, errors.New("the first packet of engine.io does not open anything")
	}
	if err := json.Unmarshal(s[1:], &h); err != nil {
		return h, fmt.Errorf("the first packet of engine.io: %w", err)
	}
	if h.SID == "" {
		return h, errors.New("the first packet of engine.io names no session")
	}
	if h.PingInterval < 100 || h.PingInterval > 10*60*1000 || h.PingTimeout < 100 || h.PingTimeout > 10*60*1000 {
		return h, fmt.Errorf("engine.io wants a heartbeat every %d ms, and waits %d ms for it", h.PingInterval, h.PingTimeout)
	}
	return h, nil
}

// versionOf tells by the answer to a polling request for version 4 which version the server speaks: older ones write
// the length of each packet before it, in characters ("97:0{…"). Zero: it is no answer of engine.io.
func versionOf(body []byte) int {
	if _, err := parseHandshake(body); err == nil {
		return 4
	}
	digits, rest, found := bytes.Cut(body, []byte(":"))
	if !found || len(digits) > 9 {
		return 0
	}
	n, err := strconv.Atoi(string(digits))
	if err != nil || n < 2 || n > len(rest) {
		return 0
	}
	if _, err := parseHandshake(rest[:n]); err != nil {
		return 0
	}
	return 3
}
