module github.com/havre-cloud/havre

go 1.26
