package config

import (
	"bytes"
	"encoding"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml"
)

// Mask stands for a secret that is set.
const Mask = "********"

// WriteYAML writes the effective configuration: every key, secrets masked, and
// behind each value that is no default a comment that says where it came from.
func (l *Loaded) WriteYAML(w io.Writer) error {
	p := &printer{origins: l.origins, mask: true}
	p.section(l.root, "", 0)
	_, err := w.Write(p.out.Bytes())
	return err
}

// WriteJSON writes the same for programs, without where it came from.
func (l *Loaded) WriteJSON(w io.Writer) error {
	var text bytes.Buffer
	if err := l.WriteYAML(&text); err != nil {
		return err
	}
	compact, err := yaml.YAMLToJSON(text.Bytes())
	if err != nil {
		return fmt.Errorf("write configuration as JSON: %w", err)
	}
	var out bytes.Buffer
	if err := json.Indent(&out, compact, "", "  "); err != nil {
		return fmt.Errorf("write configuration as JSON: %w", err)
	}
	_, err = w.Write(append(bytes.TrimSpace(out.Bytes()), '\n'))
	return err
}

type printer struct {
	out     bytes.Buffer
	origins origins
	mask    bool
}

// line writes "name: text  # origin", or a list entry when name is "- ".
func (p *printer) line(depth int, head, text, key string) {
	p.out.WriteString(strings.Repeat("  ", depth))
	p.out.WriteString(head)
	if text != "" {
		p.out.WriteString(" " + text)
		if o, ok := p.origins[key]; ok {
			p.out.WriteString("  # " + strings.Map(printable, o.String()))
		}
	}
	p.out.WriteByte('\n')
}

// printable keeps a comment on its line, whatever the name of the file is.
func printable(r rune) rune {
	if !strconv.IsPrint(r) {
		return '?'
	}
	return r
}

func (p *printer) section(v reflect.Value, prefix string, depth int) {
	for _, f := range fieldsOf(v.Type()) {
		p.field(f, v.FieldByIndex(f.index), join(prefix, f.name), depth)
	}
}

func (p *printer) field(f field, v reflect.Value, key string, depth int) {
	head := f.name + ":"
	switch {
	case v.Kind() == reflect.Pointer && v.IsNil(): // absent
	case isSection(f.typ):
		at := p.out.Len()
		p.line(depth, head, "", key)
		empty := p.out.Len()
		p.section(section(v), key, depth+1)
		if p.out.Len() == empty { // nothing but absent sections
			p.out.Truncate(at)
			p.line(depth, head, "{}", key)
		}
	case v.Kind() == reflect.Slice && isSection(v.Type().Elem()) && v.Len() > 0:
		p.line(depth, head, "", key)
		for i := range v.Len() {
			p.entry(section(v.Index(i)), key+"["+strconv.Itoa(i)+"]", depth+1)
		}
	default:
		p.line(depth, head, p.value(v, f.secret), key)
	}
}

// entry writes a section as an entry of a list: its first line gets the dash.
func (p *printer) entry(v reflect.Value, key string, depth int) {
	at := p.out.Len()
	p.section(v, key, depth+1)
	if p.out.Len() == at {
		p.line(depth, "-", "{}", key)
		return
	}
	p.out.Bytes()[at+2*depth] = '-'
}

func (p *printer) value(v reflect.Value, secret bool) string {
	switch {
	case v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface && !v.IsNil():
		return p.value(v.Elem(), secret)
	case v.Type() == jsonType && v.Len() > 0: // JSON is YAML
		return compact(v.Bytes())
	case v.Kind() == reflect.Slice && !isScalar(v.Type()):
		items := make([]string, v.Len())
		for i := range items {
			items[i] = p.value(v.Index(i), secret)
		}
		return "[" + strings.Join(items, ", ") + "]"
	case v.Kind() == reflect.Map:
		items := make([]string, 0, v.Len())
		for it := v.MapRange(); it.Next(); {
			items = append(items, quote(it.Key().String())+": "+p.value(it.Value(), secret))
		}
		slices.Sort(items)
		return "{" + strings.Join(items, ", ") + "}"
	}
	text, quoted := scalarOf(v)
	if p.mask && text != "" && (secret || strings.Contains(text, "PRIVATE KEY")) {
		return quote(Mask)
	}
	if !quoted {
		return text
	}
	if p.mask {
		text = withoutPassword(text)
	}
	return quote(text)
}

// scalarOf writes a scalar as the file would; quoted says that it is a string.
func scalarOf(v reflect.Value) (text string, quoted bool) {
	if v.Type() == durationType {
		return durationText(time.Duration(v.Int())), false
	}
	if m, ok := v.Interface().(encoding.TextMarshaler); ok {
		b, err := m.MarshalText()
		if err != nil {
			return err.Error(), true
		}
		return string(b), true
	}
	return fmt.Sprint(v.Interface()), v.Kind() == reflect.String
}

// durationText is 24h, where Duration.String says 24h0m0s.
func durationText(d time.Duration) string {
	s := d.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	return s
}

// withoutPassword masks the password that a URL carries.
func withoutPassword(text string) string {
	u, err := url.Parse(text)
	if err != nil || u.User == nil {
		return text
	}
	if _, ok := u.User.Password(); !ok {
		return text
	}
	u.User = url.UserPassword(u.User.Username(), "xxxxx")
	return u.String()
}

var (
	bare     = regexp.MustCompile(`^[A-Za-z0-9_./][A-Za-z0-9_./@+-]*(:[A-Za-z0-9_./@+-]+)*$`)
	notBare  = regexp.MustCompile(`^(?i:[0-9_.+-][0-9_.:oxeabcdef+-]*|true|false|yes|no|on|off|y|n|null|nan|\.inf|\.nan)$`)
	sizeText = regexp.MustCompile(`^[0-9]+([KMGT]i?)?B$|^[0-9]+(\.[0-9]+){3}(:[0-9]+)?$`)
)

// quote writes a string so that YAML reads the very same one: bare where that
// is beyond doubt, else in double quotes with the escapes of YAML 1.2.
func quote(s string) string {
	if sizeText.MatchString(s) || bare.MatchString(s) && !notBare.MatchString(s) {
		return s
	}
	return strconv.Quote(s)
}
