package edge_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"weft/config/testkit/clientframe"
	"weft/edge/frames"
)

// validTexts and invalidTexts are those of Autobahn's sections 6.2 to 6.23, which
// come from Markus Kuhn's stress test for decoders.
var validTexts = []string{
	"Hello-µ@ßöäüàá-UTF-8!!", "\u03ba\u1f79\u03c3\u03bc\u03b5", "κόσμε",
	"\x00", "\u0080", "\u0800", "\U00010000", // the first of each length
	"\x7f", "\u07ff", "\uffff", "\U0010ffff", // and the last
	"\ud7ff", "\ue000", "\ufffd", // beside what is no character
	"\ufffe", "\U0001fffe", "\U0001ffff", "\U0002fffe", "\U0010fffe", // which are none, and allowed
	"\u0000\u2028\u2029</script>",
}

var invalidTexts = []string{
	"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65\x64\x69\x74\x65\x64", // 6.3.1
	"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xf4\x90\x80\x80edited",               // 6.4.1
	"\xf8\x88\x80\x80\x80", "\xfc\x84\x80\x80\x80\x80", // five and six bytes
	"\xf7\xbf\xbf\xbf", "\xfb\xbf\xbf\xbf\xbf", "\xfd\xbf\xbf\xbf\xbf\xbf",
	"\xf4\x90\x80\x80",                                                             // beyond the last
	"\x80", "\xbf", "\x80\xbf", "\x80\xbf\x80", "\x80\xbf\x80\xbf\x80\xbf\x80\xbf", // that only continue
	"\xc0 \xc1 \xc2 ", "\xe0 \xe1 ", "\xf0 \xf1 ", "\xf8 \xf9 ", "\xfc ", // that are not continued
	"\xc0", "\xe0\x80", "\xf0\x80\x80", "\xdf", "\xef\xbf", "\xf7\xbf\xbf", "\xce", "\xce\xba\xe1", "\xce\xba\xe1\xbd", // cut off
	"\xc0\xe0\x80\xf0\x80\x80\xf8\x80\x80\x80",
	"\xfe", "\xff", "\xfe\xfe\xff\xff",
	"\xc0\xaf", "\xe0\x80\xaf", "\xf0\x80\x80\xaf", "\xf8\x80\x80\x80\xaf", // longer than needed
	"\xc1\xbf", "\xe0\x9f\xbf", "\xf0\x8f\xbf\xbf", "\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80",
	"\xed\xa0\x80", "\xed\xad\xbf", "\xed\xae\x80", "\xed\xaf\xbf", "\xed\xb0\x80", "\xed\xbe\x80", "\xed\xbf\xbf", // halves of UTF-16
	"\xed\xa0\x80\xed\xb0\x80", "\xed\xaf\xbf\xed\xbf\xbf",
}

func utf8Cases(add adding) {
	add("6.1.1 an empty text", [][]byte{clientframe.Masked(frames.Final|frames.Text, "")}, "error:bad_request")
	add("6.1.2 three empty fragments", [][]byte{clientframe.Masked(frames.Text, ""), clientframe.Masked(frames.Continuation, ""), clientframe.Masked(frames.Final|frames.Continuation, "")}, "error:bad_request")
	add("6.1.3 one fragment that is not empty", [][]byte{clientframe.Masked(frames.Text, ""), clientframe.Masked(frames.Continuation, `{"ref":1}`), clientframe.Masked(frames.Final|frames.Continuation, "")}, "ref:1")
	for i, text := range validTexts {
		command, want := `{"ref":"`+text+`"}`, "ref:"+text
		if !json.Valid([]byte(command)) {
			want = "error:bad_request" // which the connection survives
		}
		add(fmt.Sprintf("6 valid %d", i), [][]byte{clientframe.Masked(frames.Final|frames.Text, command)}, want)
		add(fmt.Sprintf("6 valid %d in a frame for each byte", i), fragmentsOf(command, 1), want)
		add(fmt.Sprintf("6 valid %d in a frame for each byte, byte by byte", i), chopped(1, fragmentsOf(command, 1)...), want)
	}
	for i, text := range invalidTexts {
		if utf8.ValidString(text) {
			panic(fmt.Sprintf("%q is valid", text))
		}
		command := `{"ref":"` + text + `"}`
		add(fmt.Sprintf("6 invalid %d", i), [][]byte{clientframe.Masked(frames.Final|frames.Text, command)}, wantUTF8)
		add(fmt.Sprintf("6 invalid %d at the end", i), [][]byte{clientframe.Masked(frames.Final|frames.Text, text)}, wantUTF8)
		add(fmt.Sprintf("6 invalid %d in a frame for each byte", i), fragmentsOf(command, 1), wantUTF8)
		// 6.4: nothing follows that the answer could have waited for.
		add(fmt.Sprintf("6.4 invalid %d at once", i), [][]byte{clientframe.Masked(frames.Text, `{"ref":"`+text+`"`)}, wantUTF8)
		add(fmt.Sprintf("6 invalid %d in a binary message", i), [][]byte{clientframe.Masked(frames.Final|frames.Binary, text)}, "error:bad_request")
	}
	half := fragmentsOf(`{"ref":"`+strings.Repeat("κ", 20)+`"}`, 1)
	add("6.4 a text that may still become valid", slices.Concat(half[:19], [][]byte{clientframe.Masked(frames.Final|frames.Close, "")}), "close:")
}
