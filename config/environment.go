package config

import (
	"reflect"
	"regexp"
	"slices"
	"strings"

	"weft/config/suggestion"
)

// Kubernetes sets variables in every container for each service near it: one
// that is called weft makes WEFT_SERVICE_HOST, WEFT_SERVICE_PORT,
// WEFT_PORT=tcp://10.0.0.7:4000 and WEFT_PORT_4000_TCP_ADDR.
var (
	serviceName = regexp.MustCompile(`^WEFT_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_[A-Z]+)?)$`)
	servicePort = regexp.MustCompile(`^WEFT_([A-Z0-9_]+_)?PORT=(tcp|udp|sctp)://`)
)

// FromOrchestrator reports whether a variable is one of those, and none of ours.
func FromOrchestrator(name, value string) bool {
	return serviceName.MatchString(name) || servicePort.MatchString(name+"="+value)
}

// readEnvironment sets the keys that have a variable. environ is in the form of
// os.Environ; flags are variables that stand for a flag and not for a key.
func (l *Loaded) readEnvironment(environ, flags []string) {
	keys := map[string]Key{}
	known := slices.Clone(flags)
	for _, key := range keysOf(l.root.Type()) {
		if name := key.Variable(); name != "" {
			keys[name] = key
			known = append(known, name)
		}
	}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, variablePrefix) || slices.Contains(flags, name) {
			continue
		}
		key, ok := keys[name]
		if !ok {
			if !FromOrchestrator(name, value) {
				l.add(Origin{Name: name}, "", "unknown environment variable"+suggestion.DidYouMean(name, known))
			}
			continue
		}
		l.setText(key, value, Origin{Name: name})
	}
}

// setText sets a key from one text. A list is written a,b or as YAML: [a, b].
// That is also the way to set a list of sections, or a map: {a: b}.
func (l *Loaded) setText(key Key, text string, o Origin) {
	v := key.value(l.root)
	l.origins[key.Name] = o
	switch trimmed := strings.TrimSpace(text); {
	case isScalar(key.typ):
		if err := setScalar(v, text, key.Secret); err != nil {
			l.add(o, key.Name, err.Error())
		}
	case key.typ.Kind() == reflect.Slice && isScalar(key.typ.Elem()) && !strings.HasPrefix(trimmed, "["):
		l.setWords(key, trimmed, o, v)
	default:
		d := &document{Loaded: l, origin: o}
		if n := d.parse([]byte(text)); n != nil {
			d.decode(n, v, key.Name, 0, key.Secret)
		}
	}
}

func (l *Loaded) setWords(key Key, text string, o Origin, v reflect.Value) {
	list := reflect.MakeSlice(key.typ, 0, 4)
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		item := reflect.New(key.typ.Elem()).Elem()
		if err := setScalar(item, word, key.Secret); err != nil {
			l.add(o, key.Name, err.Error())
			continue
		}
		list = reflect.Append(list, item)
	}
	v.Set(list)
}
