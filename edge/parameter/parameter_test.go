package parameter

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"weft/edge/problem"
)

func TestAQueryIsReadAsItsEndpointDeclares(t *testing.T) {
	list := Once("wait", LastEventID).And("format").Many("subject", "type").Not("user", "is taken elsewhere only")
	for raw, want := range map[string]string{
		"":                                    "",
		"subject=a&subject=b&wait=1":          "subject=a&subject=b&wait=1",
		"wait=1&wait=1":                       "wait=1&wait=1",
		"lastEventId=x":                       "last_event_id=x",
		"Last-Event-ID=x":                     "last_event_id=x",
		"Last-Event-ID=x&last_event_id=x":     "last_event_id=x&last_event_id=x",
		"Last-Event-ID=x&lastEventId=y":       "! last_event_id has two different values",
		"last_event_id=x&lastEventId=":        "! last_event_id has two different values",
		"wait=1&wait=2":                       "! wait has two different values",
		"subjects=a":                          `! there is no parameter "subjects" here; did you mean subject?`,
		"Subject=a":                           `! there is no parameter "Subject" here; did you mean subject?`,
		"lasteventid=a":                       `! there is no parameter "lasteventid" here; did you mean last_event_id?`,
		"user=ann":                            "! user is taken elsewhere only",
		"cachebuster=1":                       `! there is no parameter "cachebuster" here; known are format, last_event_id, subject, type, wait`,
		"%0d%0aX%3a=a":                        `! there is no parameter "\r\nX:" here; known are format, last_event_id, subject, type, wait`,
		"=":                                   `! there is no parameter "" here; known are format, last_event_id, subject, type, wait`,
		"a;b":                                 "! the query cannot be read: it is not well encoded",
		"%zz":                                 "! the query cannot be read: it is not well encoded",
		"secret_value_of=eyJhbGciOiJIUzI1NiJ": `! there is no parameter "secret_value_of" here; known are format, last_event_id, subject, type, wait`,
	} {
		values, err := list.Read(raw)
		got := values.Encode()
		if err != nil {
			p := problem.Of(err)
			if p.Code != problem.BadRequest || p.Status != http.StatusBadRequest {
				t.Errorf("%q is %s, %d", raw, p.Code, p.Status)
			}
			got = "! " + p.Detail
		}
		if got != want {
			t.Errorf("%q is read as %s, want %s", raw, got, want)
		}
	}
}

func TestAnEndpointThatTakesNothingSaysSo(t *testing.T) {
	_, err := List{}.Read("revoke=true")
	if err == nil || problem.Of(err).Detail != `there is no parameter "revoke" here, nor any other` {
		t.Error(err)
	}
}

// FuzzReadTakesWhatIsDeclaredOnly whatever the query.
func FuzzReadTakesWhatIsDeclaredOnly(f *testing.F) {
	f.Add("subject=a&lastEventId=1&last_event_id=1")
	f.Add("wait=1&wait=2&%77ait=1")
	f.Add("Last-Event-ID=1;x&=&&")
	list := Once("wait", LastEventID).Many("subject")
	f.Fuzz(func(t *testing.T, raw string) {
		values, err := list.Read(raw)
		if err != nil {
			if p := problem.Of(err); p.Code != problem.BadRequest || len(p.Detail) > 1000 {
				t.Fatalf("%q: %v", raw, err)
			}
			return
		}
		said, _ := url.ParseQuery(raw)
		for name := range said {
			switch name {
			case "wait", LastEventID, "subject":
			case "lastEventId", "Last-Event-ID":
				if values.Get(LastEventID) != said.Get(name) {
					t.Fatalf("%q is read as %v", raw, values)
				}
			default:
				t.Fatalf("%q is taken: %s", raw, strings.ToValidUTF8(name, "?"))
			}
		}
	})
}
