package settings

import (
	"reflect"
	"regexp"
	"slices"
	"strings"

	"weft/config/suggestion"
)

// Variables of the command line that stand for a flag and not for a key.
const (
	// PathVariable names the file where no flag does.
	PathVariable = "WEFT_CONFIG"
	// TokenVariable holds the token of the user that a client command follows.
	TokenVariable = "WEFT_TOKEN"
)

var flagVariables = []string{PathVariable, TokenVariable}

// Kubernetes sets variables in every container for each service near it: one
// that is called weft makes WEFT_SERVICE_HOST, WEFT_SERVICE_PORT,
// WEFT_PORT=tcp://10.0.0.7:4000 and WEFT_PORT_4000_TCP_ADDR.
var (
	serviceName = regexp.MustCompile(`^WEFT_([A-Z0-9_]+_)?(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT_[0-9]+_(TCP|UDP|SCTP)(_[A-Z]+)?)$`)
	servicePort = regexp.MustCompile(`^WEFT_([A-Z0-9_]+_)?PORT=(tcp|udp|sctp)://`)
)

func fromOrchestrator(name, value string) bool {
	return serviceName.MatchString(name) || servicePort.MatchString(name+"="+value)
}

// readEnvironment sets the keys that have a variable. environ is in the form of
// os.Environ.
func (l *loader) readEnvironment(environ []string, root reflect.Value) {
	leaves := map[string]leaf{}
	known := slices.Clone(flagVariables)
	for _, leaf := range leavesOf(configType) {
		if name := leaf.variable(); name != "" {
			leaves[name] = leaf
			known = append(known, name)
		}
	}
	for _, pair := range environ {
		name, value, _ := strings.Cut(pair, "=")
		if !strings.HasPrefix(name, "WEFT_") || slices.Contains(flagVariables, name) {
			continue
		}
		leaf, ok := leaves[name]
		if !ok {
			if !fromOrchestrator(name, value) {
				l.add(Origin{Name: name}, "", "unknown environment variable"+suggestion.DidYouMean(name, known))
			}
			continue
		}
		l.setText(leaf, value, Origin{Name: name}, root)
	}
}

// setText sets a leaf from one text. A list is written a,b or as YAML: [a, b].
// That is also the way to set a list of sections, or a map: {a: b}.
func (l *loader) setText(leaf leaf, text string, o Origin, root reflect.Value) {
	v := leaf.value(root)
	l.origins[leaf.key] = o
	switch trimmed := strings.TrimSpace(text); {
	case isScalar(leaf.typ):
		if err := setScalar(v, text, leaf.secret); err != nil {
			l.add(o, leaf.key, err.Error())
		}
	case leaf.typ.Kind() == reflect.Slice && isScalar(leaf.typ.Elem()) && !strings.HasPrefix(trimmed, "["):
		l.setWords(leaf, trimmed, o, v)
	default:
		d := &document{loader: l, origin: o}
		if n := d.parse([]byte(text)); n != nil {
			d.decode(n, v, leaf.key, 0, leaf.secret)
		}
	}
}

func (l *loader) setWords(leaf leaf, text string, o Origin, v reflect.Value) {
	list := reflect.MakeSlice(leaf.typ, 0, 4)
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word == "" {
			continue
		}
		item := reflect.New(leaf.typ.Elem()).Elem()
		if err := setScalar(item, word, leaf.secret); err != nil {
			l.add(o, leaf.key, err.Error())
			continue
		}
		list = reflect.Append(list, item)
	}
	v.Set(list)
}
