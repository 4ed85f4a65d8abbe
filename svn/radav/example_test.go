package radav_test

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"

	"github.com/havre-cloud/havre/svn"
	"github.com/havre-cloud/havre/svn/radav"
)

// The files of a directory on an Apache server.
func Example() {
	ctx := context.Background()
	repo, err := radav.Open(ctx, "https://svn.example.org/repos/team/trunk", radav.Options{User: "ada", Password: "secret"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer repo.Close()
	head, err := repo.Youngest(ctx)
	if err != nil {
		fmt.Println(err)
		return
	}
	// Paths are those of the repository, also when the address is that of a part of it.
	for node, err := range repo.List(ctx, repo.Base(), head, true) {
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Println(node.Kind, node.Path, node.Size, node.CreatedRev)
	}
}

// A certificate that no authority has signed is accepted by its fingerprint, once a person has compared it.
func ExampleCertificateError() {
	ctx := context.Background()
	const address = "https://svn.example.org/repos/team"
	_, err := radav.Open(ctx, address, radav.Options{})
	unknown, ok := errors.AsType[*radav.CertificateError](err)
	if !ok {
		return
	}
	accepted := unknown.Fingerprint() // shown to the person, who says yes
	trust := &tls.Config{
		InsecureSkipVerify: true, // the key is compared below
		VerifyConnection: func(c tls.ConnectionState) error {
			sum := sha256.Sum256(c.PeerCertificates[0].RawSubjectPublicKeyInfo)
			if hex.EncodeToString(sum[:]) != accepted {
				return errors.New("another key than the one that was accepted")
			}
			return nil
		},
	}
	repo, err := radav.Open(ctx, address, radav.Options{TLS: trust})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer repo.Close()
}

// Of a commit whose answer was lost it is not known whether it took place, unless it carries a property of
// its own to be found again by.
func ExampleRepository_Commit() {
	ctx := context.Background()
	repo, err := radav.Open(ctx, "https://svn.example.org/repos/team", radav.Options{User: "ada", Password: "secret"})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer repo.Close()
	rev, err := repo.Commit(ctx, &svn.Commit{
		RevProps: svn.Props{svn.PropLog: "away with it", "example:commit": "5e0c2f"},
		Changes:  []svn.Change{{Op: svn.OpDelete, Path: "old.txt", Base: 12}},
	})
	gone, lost := errors.AsType[*svn.UnreachableError](err)
	refused, no := errors.AsType[*svn.RefusedError](err)
	switch {
	case lost && gone.Sent:
		fmt.Println("look for it before you try again")
	case lost:
		fmt.Println("nothing was committed")
	case no:
		fmt.Println("the server says:", refused.Text) // a hook's output, for instance
	case err == nil:
		fmt.Println("committed as", rev)
	}
}
