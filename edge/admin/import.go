package admin

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"

	"weft/edge/problem"
	"weft/jetstream/api"
	"weft/jetstream/kv"
)

const (
	// maxImportLine bounds a line of an import, importBytes the values that are
	// written side by side.
	maxImportLine = 8 << 20
	importBytes   = 4 << 20
)

// importBuckets takes an export, or some lines of one, and answers after all of
// it is stored. first_line= is the number that the first line has in its file.
func (a *Admin) importBuckets(w http.ResponseWriter, r *request) error {
	first := 1
	if s := r.query.Get("first_line"); s != "" {
		var err error
		if first, err = strconv.Atoi(s); err != nil || first < 1 {
			return problem.New(problem.BadRequest, "first_line is not a number above zero")
		}
	}
	im := importing{admin: a, r: r.Request, number: first - 1}
	if err := im.read(r.Body, http.NewResponseController(w)); err != nil {
		return err
	}
	a.log.Info("entries imported by an operator", "stored", im.done.Stored, "unchanged", im.done.Unchanged, "expired", im.done.Expired)
	return answer(w, http.StatusOK, im.done)
}

// importing is one request that imports.
type importing struct {
	admin  *Admin
	r      *http.Request
	number int // of the line
	done   kv.Imported

	batch []kv.Entry
	lines []int // of the batch's entries
	bytes int

	headed, ended bool
	entries       int
}

func (im *importing) read(body io.Reader, rc *http.ResponseController) error {
	scanner := bufio.NewScanner(body)
	scanner.Buffer(make([]byte, 0, 64<<10), maxImportLine)
	stall := func() {
		if err := rc.SetReadDeadline(time.Now().Add(exportStall)); err != nil {
			im.admin.log.Debug("set read deadline", "err", err)
		}
	}
	for stall(); scanner.Scan(); {
		im.number++
		if err := im.line(scanner.Bytes()); err != nil {
			return err
		}
		if len(im.batch) == kv.MaxImport || im.bytes >= importBytes {
			if err := im.store(); err != nil {
				return err
			}
			stall()
		}
	}
	switch err := scanner.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		im.number++
		return im.bad("it has more than %d bytes", maxImportLine)
	case err != nil:
		return im.problem(problem.BadRequest, "the body ends too early")
	}
	if err := im.store(); err != nil {
		return err
	}
	if im.headed && !im.ended {
		return im.problem(problem.BadRequest, "the export was cut off: its end is missing")
	}
	return nil
}

// line takes one line of the body.
func (im *importing) line(text []byte) error {
	if text = bytes.TrimSpace(text); len(text) == 0 {
		return nil
	}
	var l exportLine
	dec := json.NewDecoder(bytes.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(&l); err != nil || dec.InputOffset() != int64(len(text)) {
		return im.bad("it is no line of an export")
	}
	switch {
	case im.ended:
		return im.bad("it follows the end of the export")
	case l.Weft == lineHead && im.entries == 0 && !im.headed:
		im.headed = true
		if l.Version != exportVersion {
			return im.bad("the export has version %d; this node reads version %d", l.Version, exportVersion)
		}
	case l.Weft == lineEnd && l.Entries != nil:
		im.ended = true
		if im.headed && *l.Entries != im.entries {
			return im.bad("the export had %d entries, and here are %d", *l.Entries, im.entries)
		}
	case l.Weft != "":
		return im.bad("it is neither head nor end of an export, nor an entry")
	default:
		im.entries++
		e := l.entry()
		im.batch, im.lines, im.bytes = append(im.batch, e), append(im.lines, im.number), im.bytes+len(e.Value)
	}
	return nil
}

// store imports the batch.
func (im *importing) store() error {
	if len(im.batch) == 0 {
		return nil
	}
	done, err := im.admin.deps.Node.Transfer.Import(im.r.Context(), im.batch)
	var entry *kv.EntryError
	switch {
	case errors.As(err, &entry):
		im.number = im.lines[entry.Index]
		return im.bad("%s", entry.Msg)
	case errors.Is(err, api.ErrRefused):
		im.admin.log.Warn("import entries", "err", err)
		return im.problem(problem.TooLarge, fmt.Sprintf("lines %d to %d: the store refuses one of the entries", im.lines[0], im.lines[len(im.lines)-1]))
	case errors.Is(err, api.ErrDiskFull):
		return im.problem(problem.DiskFull, "the disk is full")
	case err != nil:
		im.admin.log.Warn("import entries", "err", err)
		return im.problem(problem.StoreUnavailable, "the store does not answer; try again").Retry(time.Second)
	}
	im.done.Stored += done.Stored
	im.done.Unchanged += done.Unchanged
	im.done.Expired += done.Expired
	im.batch, im.lines, im.bytes = im.batch[:0], im.lines[:0], 0
	return nil
}

// bad is the answer to a line that cannot be taken.
func (im *importing) bad(format string, args ...any) error {
	return im.problem(problem.BadRequest, fmt.Sprintf("line %d: ", im.number)+fmt.Sprintf(format, args...))
}

// problem says also what is stored all the same.
func (im *importing) problem(code problem.Code, detail string) *problem.Problem {
	if n := im.done.Stored; n > 0 {
		detail += fmt.Sprintf("; %d entries before are stored", n)
	}
	return problem.New(code, detail)
}
