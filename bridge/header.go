package bridge

// maxCarried bounds a header that is passed on without Weft needing it.
const maxCarried = 512

// CarryOn puts a header that Weft does not need itself, content-type or
// traceparent, into h. A value that is empty, very long or not printable ASCII
// is left out: it helps nobody and must not cost the event.
func CarryOn(h map[string]string, name, value string) {
	if value == "" || len(value) > maxCarried {
		return
	}
	for i := 0; i < len(value); i++ {
		if value[i] < ' ' || value[i] >= 0x7f {
			return
		}
	}
	h[name] = value
}
