package client

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"weft/edge/route/pattern"
)

// maxDocument is how much of a file is read: a byte more than a document may have.
const maxDocument = 64<<10 + 1

// documentEnd is how files of documents end.
const documentEnd = ".json"

// A Document is that of a route, as it stands in a file.
type Document struct {
	Name string
	File string // for messages
	Text []byte
}

// errNoDocuments is returned for a folder in which there are none.
var errNoDocuments = errors.New("the folder has no <name>" + documentEnd)

// ReadDocuments reads the document in a file, in stdin if it is -, or those in all files
// of a folder that are called <name>.json. The name is that of the file if it is "".
func ReadDocuments(name, path string, stdin io.Reader) ([]Document, error) {
	if path == "-" {
		text, err := io.ReadAll(io.LimitReader(stdin, maxDocument))
		if err != nil {
			return nil, fmt.Errorf("read standard input: %w", err)
		}
		return []Document{{name, "standard input", text}}, nil
	}
	info, err := os.Stat(path)
	switch {
	case err != nil:
		return nil, fmt.Errorf("read route: %w", err)
	case !info.IsDir():
		d, err := readDocument(path)
		if name != "" {
			d.Name = name
		}
		return []Document{d}, err
	}
	entries, err := os.ReadDir(path)
	if err != nil {
		return nil, fmt.Errorf("read routes: %w", err)
	}
	var all []Document
	for _, e := range entries {
		if !strings.HasSuffix(e.Name(), documentEnd) || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		d, err := readDocument(filepath.Join(path, e.Name()))
		if err != nil {
			return nil, err
		}
		all = append(all, d)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("%s: %w", path, errNoDocuments)
	}
	return all, nil
}

// Twins says of each document whose pattern an earlier one has, too, which one that is: a
// dry run finds each of them good. They are told by the index of the later one.
func Twins(documents []Document) map[int]Document {
	first, twins := map[string]Document{}, map[int]Document{}
	for i, d := range documents {
		r := Route{Document: d.Text}
		p, err := pattern.Parse(r.Pattern())
		if err != nil {
			continue // the node says what is wrong
		}
		if other, taken := first[p.Key()]; taken {
			twins[i] = other
		} else {
			first[p.Key()] = d
		}
	}
	return twins
}

func readDocument(path string) (d Document, err error) {
	f, err := os.Open(path)
	if err != nil {
		return d, fmt.Errorf("read route: %w", err)
	}
	defer f.Close()
	d = Document{Name: strings.TrimSuffix(filepath.Base(path), documentEnd), File: path}
	if d.Text, err = io.ReadAll(io.LimitReader(f, maxDocument)); err != nil {
		return d, fmt.Errorf("read route: %w", err)
	}
	return d, nil
}
