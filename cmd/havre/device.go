package main

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/havre-cloud/havre/internal/havre"
	"github.com/havre-cloud/havre/internal/store"
)

type deviceCmd struct {
	List   deviceListCmd   `cmd:"" help:"List the devices, and when each was last here."`
	Revoke deviceRevokeCmd `cmd:"" help:"Let a device in no more."`
}

const deviceHelp = `A revoked device gets nothing from the server any more, within a second. Its files stay on it. Works
while the server runs.

Examples:

    havre device list --data /srv/havre
    havre device revoke --data /srv/havre ada/laptop

` + exitCodes

// Help is the text below the usage.
func (deviceCmd) Help() string { return deviceHelp }

type deviceListCmd struct{ dataFlag }

// Help is the text below the usage.
func (deviceListCmd) Help() string { return deviceHelp }

// Run executes the command.
func (c *deviceListCmd) Run(ctx context.Context, con *console) error {
	a, err := openAdmin(ctx, c.Data)
	if err != nil {
		return err
	}
	defer a.Close()
	devices, err := a.Devices(ctx, "")
	if err != nil {
		return err
	}
	rows := [][]string{{"DEVICE", "LAST SEEN", "SYSTEM", "VERSION", "ID"}}
	for i := range devices {
		d := &devices[i]
		seen := "never"
		if !d.LastSeen.IsZero() {
			seen = d.LastSeen.Local().Format("2006-01-02 15:04")
		}
		if !d.Revoked.IsZero() {
			seen = "revoked " + d.Revoked.Local().Format(time.DateOnly)
		}
		rows = append(rows, []string{shown(fullName(d)), seen, shown(d.Platform), shown(d.Version), string(d.ID)})
	}
	_, err = fmt.Fprint(con.out, table(rows))
	return err
}

type deviceRevokeCmd struct {
	dataFlag
	Device string `arg:"" help:"USER/DEVICE, or the ID."`
}

// Help is the text below the usage.
func (deviceRevokeCmd) Help() string { return deviceHelp }

// Run executes the command.
func (c *deviceRevokeCmd) Run(ctx context.Context, con *console) error {
	a, err := openAdmin(ctx, c.Data)
	if err != nil {
		return err
	}
	defer a.Close()
	devices, err := a.Devices(ctx, "")
	if err != nil {
		return err
	}
	devices = slices.DeleteFunc(devices, func(d store.Device) bool {
		return !d.Revoked.IsZero() || string(d.ID) != c.Device && fullName(&d) != c.Device
	})
	switch len(devices) {
	case 0:
		return &havre.Error{Code: havre.CodeNotFound, Text: fmt.Sprintf("no device %s; see: havre device list", shown(c.Device))}
	case 1:
	default:
		ids := make([]string, len(devices))
		for i, d := range devices {
			ids[i] = string(d.ID)
		}
		return &havre.Error{Code: havre.CodeInvalid, Text: fmt.Sprintf("%s: there are several; say which by its ID: %s", shown(c.Device), strings.Join(ids, ", "))}
	}
	if err := a.RevokeDevice(ctx, devices[0].ID); err != nil {
		return err
	}
	fmt.Fprintf(con.out, "%s is let in no more. Its files stay on it.\n", shown(fullName(&devices[0])))
	return nil
}

// fullName is how people tell devices apart: USER/DEVICE.
func fullName(d *store.Device) string { return d.UserName + "/" + d.Name }
