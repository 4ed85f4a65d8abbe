// Command protogen writes the Go code of the protocol from proto/havre/v1/havre.proto.
//
// It takes the place of protoc, so that nothing but Go is needed: the compiler is a library
// (protocompile), the plugins are tools of this module, all with their versions in tools/go.mod.
// With -check it writes nothing and fails when what is committed differs.
//
//	go -C tools run ./protogen [-check]
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"

	"github.com/bufbuild/protocompile"
	"github.com/bufbuild/protocompile/protoutil"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/descriptorpb"
	"google.golang.org/protobuf/types/pluginpb"
)

const (
	source = "havre/v1/havre.proto" // below proto/
	module = "github.com/havre-cloud/havre"
)

// plugins are tools of this module.
var plugins = []string{"protoc-gen-go", "protoc-gen-connect-go"}

func main() {
	check := flag.Bool("check", false, "only say whether the committed code is what would be written")
	root := flag.String("root", "..", "the repository's top directory")
	flag.Parse()
	if err := run(context.Background(), *root, *check); err != nil {
		fmt.Fprintln(os.Stderr, "protogen:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, root string, check bool) error {
	req, err := request(ctx, filepath.Join(root, "proto"))
	if err != nil {
		return err
	}
	for _, plugin := range plugins {
		files, err := generate(ctx, plugin, req)
		if err != nil {
			return fmt.Errorf("%s: %w", plugin, err)
		}
		for _, f := range files {
			if err := put(filepath.Join(root, filepath.FromSlash(f.GetName())), f.GetContent(), check); err != nil {
				return err
			}
		}
	}
	return nil
}

// request compiles the protocol into what a plugin reads.
func request(ctx context.Context, dir string) ([]byte, error) {
	compiler := protocompile.Compiler{
		Resolver:       protocompile.WithStandardImports(&protocompile.SourceResolver{ImportPaths: []string{dir}}),
		SourceInfoMode: protocompile.SourceInfoStandard, // comments become Go comments
	}
	files, err := compiler.Compile(ctx, source)
	if err != nil {
		return nil, err
	}
	req := &pluginpb.CodeGeneratorRequest{
		FileToGenerate: []string{source},
		Parameter:      proto.String("module=" + module),
		ProtoFile:      withImports(nil, files[0], map[string]bool{}),
	}
	return proto.Marshal(req)
}

// withImports appends a file behind those that it imports.
func withImports(list []*descriptorpb.FileDescriptorProto, f protoreflect.FileDescriptor, seen map[string]bool) []*descriptorpb.FileDescriptorProto {
	if seen[f.Path()] {
		return list
	}
	seen[f.Path()] = true
	for i := range f.Imports().Len() {
		list = withImports(list, f.Imports().Get(i).FileDescriptor, seen)
	}
	return append(list, protoutil.ProtoFromFileDescriptor(f))
}

func generate(ctx context.Context, plugin string, req []byte) ([]*pluginpb.CodeGeneratorResponse_File, error) {
	cmd := exec.CommandContext(ctx, "go", "tool", plugin)
	cmd.Stdin, cmd.Stderr = bytes.NewReader(req), os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, err
	}
	var resp pluginpb.CodeGeneratorResponse
	if err := proto.Unmarshal(out, &resp); err != nil {
		return nil, err
	}
	if resp.Error != nil {
		return nil, errors.New(resp.GetError())
	}
	return resp.GetFile(), nil
}

func put(name, content string, check bool) error {
	if !check {
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return err
		}
		return os.WriteFile(name, []byte(content), 0o644)
	}
	old, err := os.ReadFile(name)
	if err != nil {
		return err
	}
	if string(old) != content {
		return fmt.Errorf("%s is not what the protocol says: run `go generate ./proto`", name)
	}
	return nil
}
