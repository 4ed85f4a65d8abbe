// Package proto is the place of the protocol's definition, havre/v1/havre.proto, and of the command
// that makes Go code of it in internal/api/havrev1. It holds no code.
package proto

//go:generate go -C ../tools run ./protogen
