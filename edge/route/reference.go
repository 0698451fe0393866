package route

import (
	"fmt"
	"io"
	"strings"

	"weft/config"
)

// WriteReference writes the table of all fields of a document, in Markdown.
func WriteReference(w io.Writer) error {
	if _, err := io.WriteString(w, "| field | value | for | meaning |\n| --- | --- | --- | --- |\n"); err != nil {
		return err
	}
	return documentFields.writeMembers(w, "", 0)
}

func (f *field) writeMembers(w io.Writer, above string, takes takers) error {
	for _, m := range f.members {
		of := m.takes
		if of == 0 {
			of = takes
		}
		_, err := fmt.Fprintf(w, "| `%s` | %s | %s | %s |\n", above+m.name, strings.ReplaceAll(m.value(), "|", `\|`), of, m.means)
		if err != nil {
			return err
		}
		if err := m.writeMembers(w, above+m.name+".", of); err != nil {
			return err
		}
	}
	return nil
}

// value says what a value looks like, and the default.
func (f *field) value() string {
	s := f.shape
	if s == "" {
		s = f.bounds()
	}
	if f.required && !strings.Contains(s, "required") {
		s += "; required"
	}
	switch {
	case f.messages != nil && f.kind == size:
		s += fmt.Sprintf("; default `%s`. NATS and Kafka: default and most `%s`", f.standard, f.messages.standard)
	case f.messages != nil:
		s += fmt.Sprintf("; default `%s` for http, `%s` else", f.standard, f.messages.standard)
	case f.standard != "":
		s += fmt.Sprintf("; default `%s`", f.standard)
	}
	return s
}

// bounds says in which bounds a value is.
func (f *field) bounds() string {
	switch f.kind {
	case flag:
		return "`true` or `false`"
	case number:
		return fmt.Sprintf("%d to %d", f.least, f.most)
	case duration:
		return fmt.Sprintf("duration, `%s` to `%s`", shortDuration(f.least), shortDuration(f.most))
	case size:
		if f.most == unlimited {
			return "size like `10MiB`, or `none`"
		}
		return fmt.Sprintf("size like `10MiB`, at most `%v`", config.Bytes(f.most))
	case section:
		return "object"
	case list:
		return fmt.Sprintf("list of %d to %d", f.least, f.most)
	case mapping:
		return fmt.Sprintf("object of %d to %d", f.least, f.most)
	}
	switch {
	case f.one != nil:
		last := len(f.one) - 1
		return "`" + strings.Join(f.one[:last], "`, `") + "` or `" + f.one[last] + "`"
	case f.form == topicForm:
		return "name of a topic"
	case f.most > 0:
		return fmt.Sprintf("text, at most %d bytes", f.most)
	}
	return "text"
}

// String names the schemes.
func (t takers) String() string {
	var names []string
	for _, s := range []struct {
		one  takers
		name string
	}{{takesHTTP, "http"}, {takesNATS, "nats"}, {takesKafka, "kafka"}} {
		if t&s.one != 0 {
			names = append(names, s.name)
		}
	}
	if len(names) == 0 || len(names) == 3 {
		return "all"
	}
	return strings.Join(names, ", ")
}
