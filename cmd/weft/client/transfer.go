package client

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// An export is JSON Lines. Only its first and its last line are read here: they
// have a field weft, the entries between do not.
type exportMark struct {
	Weft    string `json:"weft"`
	Version int    `json:"version"`
	Entries *int   `json:"entries"`
}

const (
	exportVersion = 1
	// maxExportLine bounds a line, in bytes.
	maxExportLine = 8 << 20
	// An import is sent in parts of so many lines and about so many bytes.
	importLines = 2000
	importBytes = 4 << 20
	// partTime bounds one try of a part.
	partTime = time.Minute
)

// errCutOff is wrapped by errors about an export that does not reach its end.
var errCutOff = errors.New("the export is cut off")

// markOf reads the head or the end; an entry is no mark.
func markOf(line []byte) (exportMark, bool) {
	var m exportMark
	if !bytes.Contains(line, []byte(`"weft"`)) || json.Unmarshal(line, &m) != nil {
		return exportMark{}, false
	}
	return m, m.Weft != ""
}

func lines(r io.Reader) *bufio.Scanner {
	s := bufio.NewScanner(r)
	s.Buffer(make([]byte, 0, 64<<10), maxExportLine)
	return s
}

// Export writes blacklist and routes to w and returns how many entries there
// are. When it fails, what was written is of no use, and an import will say so.
func (a Admin) Export(ctx context.Context, w io.Writer) (entries int, err error) {
	res, err := a.send(ctx, request{method: http.MethodGet, path: "export"})
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	out := bufio.NewWriter(w)
	s := lines(res.Body)
	for s.Scan() {
		if _, err := out.Write(s.Bytes()); err != nil {
			return entries, err
		}
		if err := out.WriteByte('\n'); err != nil {
			return entries, err
		}
		m, ok := markOf(s.Bytes())
		if !ok {
			entries++
		} else if m.Entries != nil && *m.Entries == entries {
			return entries, out.Flush()
		}
	}
	return entries, errors.Join(errCutOff, s.Err(), out.Flush())
}

// Imported counts what became of the entries of an import.
type Imported struct {
	Stored    int `json:"stored"`
	Unchanged int `json:"unchanged"`
	Expired   int `json:"expired"`
}

// All is how many entries there were.
func (i Imported) All() int { return i.Stored + i.Unchanged + i.Expired }

// Import reads an export from r and stores it part by part. After each it calls
// progress, which may be nil. It returns what was done also when it fails; to
// do it again from the start does no harm.
func (a Admin) Import(ctx context.Context, r io.Reader, progress func(Imported)) (Imported, error) {
	im := importer{admin: a, progress: progress}
	s := lines(r)
	number := 0
	for s.Scan() {
		number++
		if err := im.line(ctx, number, s.Bytes()); err != nil {
			return im.done, err
		}
	}
	if err := s.Err(); errors.Is(err, bufio.ErrTooLong) {
		return im.done, fmt.Errorf("line %d: it has more than %d bytes", number+1, maxExportLine)
	} else if err != nil {
		return im.done, err
	}
	if err := im.flush(ctx); err != nil {
		return im.done, err
	}
	switch {
	case number == 0:
		return im.done, fmt.Errorf("%w: it is empty", errCutOff)
	case !im.ended:
		return im.done, fmt.Errorf("%w: its end is missing after line %d", errCutOff, number)
	}
	return im.done, nil
}

// importer gathers lines into parts.
type importer struct {
	admin    Admin
	progress func(Imported)

	part    bytes.Buffer
	first   int // number of the part's first line
	count   int // of its lines
	entries int // of the whole file
	ended   bool
	done    Imported
}

func (im *importer) line(ctx context.Context, number int, line []byte) error {
	mark, isMark := markOf(line)
	switch {
	case number == 1 && mark.Weft != "export":
		return errors.New("line 1: this is not the output of weft export")
	case number == 1 && mark.Version != exportVersion:
		return fmt.Errorf("line 1: the export has version %d; this weft reads version %d", mark.Version, exportVersion)
	case number == 1:
		return nil
	case len(bytes.TrimSpace(line)) == 0:
	case im.ended:
		return fmt.Errorf("line %d: it follows the end of the export", number)
	case isMark && mark.Weft == "end" && mark.Entries != nil:
		im.ended = true
		if *mark.Entries != im.entries {
			return errors.Join(im.flush(ctx), fmt.Errorf("line %d: the export had %d entries, and here are %d", number, *mark.Entries, im.entries))
		}
		return nil
	case isMark:
		return fmt.Errorf("line %d: it is neither an entry nor the end of the export", number)
	default:
		im.entries++
	}
	if im.count == 0 {
		im.first = number
	}
	im.count++
	im.part.Write(line)
	im.part.WriteByte('\n')
	if im.count < importLines && im.part.Len() < importBytes {
		return nil
	}
	return im.flush(ctx)
}

// flush sends the part, again while waiting helps.
func (im *importer) flush(ctx context.Context) error {
	if im.count == 0 {
		return nil
	}
	for try, wait := 1, publishWait; ; try, wait = try+1, 2*wait {
		done, err := im.send(ctx)
		if err == nil {
			im.done.Stored += done.Stored
			im.done.Unchanged += done.Unchanged
			im.done.Expired += done.Expired
			break
		}
		var problem *Problem
		if !errors.As(err, &problem) {
			return fmt.Errorf("lines %d to %d: %w", im.first, im.first+im.count-1, err)
		} else if try == publishTries || !problem.passing() {
			return err
		}
		if err := sleep(ctx, max(wait, problem.RetryAfter)); err != nil {
			return err
		}
	}
	im.part.Reset()
	im.count = 0
	if im.progress != nil {
		im.progress(im.done)
	}
	return nil
}

func (im *importer) send(ctx context.Context) (done Imported, err error) {
	ctx, cancel := context.WithTimeout(ctx, partTime)
	defer cancel()
	err = im.admin.ask(ctx, request{method: http.MethodPost, path: "import", body: bytes.NewReader(im.part.Bytes()),
		query: url.Values{"first_line": {strconv.Itoa(im.first)}}}, &done)
	return done, err
}
