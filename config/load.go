// Package config reads configurations: into any struct whose fields have yaml tags
// and that holds the defaults, one YAML file, then environment variables, then
// flags; the later wins. It imports nothing of ours, so that every part of Weft may
// build its section from the values here and report a bad one as a KeyError.
//
// Nothing is forgiven and nothing is guessed: an unknown key, a bad value or an
// impossible combination refuses to start. All of them are reported at once, each
// with file, line and key:
//
//	weft.yaml:12: events.max_age: "1 day" is no duration; write one like 250ms, 30s, 10m or 24h
//
// A scalar key, or a list, is also the environment variable WEFT_SECTION_KEY.
// Lists are written a,b there, or as YAML, which can be a list of sections, too:
//
//	WEFT_AUTH_ISSUERS='[{keys: [{alg: HS256, secret: …}]}]'
package config

import (
	"errors"
	"fmt"
	"io"
	"os"
	"reflect"
)

// MaxFileBytes bounds the size of a configuration file.
const MaxFileBytes = 1 << 20

// A Setting is a key that a flag sets.
type Setting struct {
	Flag  string // with its dashes, for messages
	Key   string
	Value string
}

// Source says where to read.
type Source struct {
	// Path of the file; "" for none.
	Path string
	// Environ is in the form of os.Environ; only WEFT_* is looked at.
	Environ []string
	// FlagVariables are those that stand for a flag and not for a key.
	FlagVariables []string
	// Settings come from flags.
	Settings []Setting
}

// Loaded is a configuration that was read, and where each value came from. It
// collects what is wrong with it.
type Loaded struct {
	name        string // of the file, or what to call the whole without one
	root        reflect.Value
	diagnostics Diagnostics
	origins     origins
}

// Load reads into the struct that is pointed to, which holds the defaults. Its
// error is that of reading the file; Err of what it returns says what is wrong with
// the text.
func Load(src Source, into any) (*Loaded, error) {
	var text []byte
	if src.Path != "" {
		var err error
		if text, err = readFile(src.Path); err != nil {
			return nil, err
		}
	}
	return LoadText(src, text, into), nil
}

func readFile(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open configuration: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, MaxFileBytes+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if len(text) > MaxFileBytes {
		return nil, errors.New("read configuration: " + path + " is larger than 1MiB")
	}
	return text, nil
}

// LoadText is Load for the text of a file that was read already; the path of the
// source only names it.
func LoadText(src Source, text []byte, into any) *Loaded {
	l := &Loaded{name: src.Path, root: reflect.ValueOf(into).Elem(), origins: origins{}}
	if l.name == "" {
		l.name = "configuration"
	}
	d := &document{Loaded: l, origin: Origin{Name: l.name}, lines: true}
	if n := d.parse(text); n != nil {
		d.decodeSection(n, l.root, "", line(n))
	}
	l.readEnvironment(src.Environ, src.FlagVariables)
	for _, s := range src.Settings {
		l.set(s)
	}
	return l
}

func (l *Loaded) set(s Setting) {
	for _, key := range keysOf(l.root.Type()) {
		if key.Name == s.Key {
			l.setText(key, s.Value, Origin{Name: s.Flag})
			return
		}
	}
	l.add(Origin{Name: s.Flag}, s.Key, "unknown key")
}

// Refuse adds what checks found wrong, each a *KeyError.
func (l *Loaded) Refuse(errs []error) {
	for _, err := range errs {
		l.addCheck(err)
	}
}

// Err is all that is wrong, as Diagnostics, nil when nothing is.
func (l *Loaded) Err() error { return l.diagnostics.Err() }

// Locate says where the values came from that checks found something about, each a
// *KeyError. It does not count as wrong.
func (l *Loaded) Locate(errs []error) Diagnostics {
	found := &Loaded{name: l.name, origins: l.origins}
	found.Refuse(errs)
	return found.diagnostics
}
