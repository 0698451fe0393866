// Package meter reads what a process costs from Linux's /proc: processor time,
// private memory; and what a Go process tells of itself in the Prometheus text
// format.
package meter

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of processor time in /proc. It is 10 ms on all architectures
// that Go runs on (proc(5): sysconf(_SC_CLK_TCK)).
const tick = 10 * time.Millisecond

// CPU is the processor time, user and system, that processes have used together,
// in steps of 10 ms each.
func CPU(pids ...int) (time.Duration, error) {
	sum := time.Duration(0)
	for _, pid := range pids {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil {
			return 0, fmt.Errorf("read processor time: %w", err)
		}
		used, err := parseStat(string(stat))
		if err != nil {
			return 0, err
		}
		sum += used
	}
	return sum, nil
}

// Own is the processor time that this process has used, in steps of 10 ms; 0 when
// it cannot be read.
func Own() time.Duration {
	used, err := CPU(os.Getpid())
	if err != nil {
		return 0
	}
	return used
}

// parseStat adds fields 14 and 15 of /proc/<pid>/stat (proc_pid_stat(5)).
func parseStat(stat string) (time.Duration, error) {
	// The second field is the name in parentheses, which may hold anything.
	fields := strings.Fields(stat[strings.LastIndexByte(stat, ')')+1:])
	if len(fields) < 13 {
		return 0, errors.New("malformed /proc/<pid>/stat")
	}
	sum := time.Duration(0)
	for _, field := range fields[11:13] {
		n, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return 0, fmt.Errorf("malformed /proc/<pid>/stat: %w", err)
		}
		sum += time.Duration(n) * tick
	}
	return sum, nil
}

// Private is the memory in bytes that each of the processes has written and shares with
// no other. The kernel's socket buffers are not in it, and no pages of the program, which
// the kernel can read again: when they are first used says nothing of a connection.
func Private(pids ...int) (int64, error) {
	sum := int64(0)
	for _, pid := range pids {
		rollup, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps_rollup", pid))
		if err != nil {
			return 0, fmt.Errorf("read private memory: %w", err)
		}
		private, err := parseRollup(string(rollup))
		if err != nil {
			return 0, err
		}
		sum += private
	}
	return sum, nil
}

// parseRollup reads the line Private_Dirty of /proc/<pid>/smaps_rollup.
func parseRollup(rollup string) (int64, error) {
	for line := range strings.Lines(rollup) {
		name, value, _ := strings.Cut(line, ":")
		if name != "Private_Dirty" {
			continue
		}
		number, ok := strings.CutSuffix(strings.TrimSpace(value), " kB")
		kib, err := strconv.ParseInt(number, 10, 64)
		if err != nil || !ok {
			return 0, fmt.Errorf("malformed line of smaps_rollup: %q", line)
		}
		return kib << 10, nil
	}
	return 0, errors.New("smaps_rollup does not tell private memory")
}

// Resident is the memory of a process that is in the machine's, in bytes, now and at the
// most so far: pages of the program are in it.
func Resident(pid int) (now, most int64, err error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("read resident memory: %w", err)
	}
	if now, err = parseStatus(string(status), "VmRSS"); err != nil {
		return 0, 0, err
	}
	most, err = parseStatus(string(status), "VmHWM")
	return now, most, err
}

// parseStatus reads a size of /proc/<pid>/status (proc_pid_status(5)).
func parseStatus(status, name string) (int64, error) {
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, name+":"); ok {
			number, ok := strings.CutSuffix(strings.TrimSpace(rest), " kB")
			kib, err := strconv.ParseInt(strings.TrimSpace(number), 10, 64)
			if err != nil || !ok {
				return 0, fmt.Errorf("malformed line of status: %q", line)
			}
			return kib << 10, nil
		}
	}
	return 0, fmt.Errorf("there is no %s in the status", name)
}

// Gauge asks a Prometheus end point for a metric without labels.
func Gauge(ctx context.Context, url, name string) (float64, error) {
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return 0, err
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, fmt.Errorf("read metrics: %w", err)
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return 0, fmt.Errorf("read metrics: %s", response.Status)
	}
	return parseGauge(response.Body, name)
}

// parseGauge reads the text format, version 0.0.4.
func parseGauge(text io.Reader, name string) (float64, error) {
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		if value, ok := strings.CutPrefix(lines.Text(), name+" "); ok {
			value, _, _ = strings.Cut(strings.TrimSpace(value), " ")
			return strconv.ParseFloat(value, 64)
		}
	}
	if err := lines.Err(); err != nil {
		return 0, fmt.Errorf("read metrics: %w", err)
	}
	return 0, fmt.Errorf("there is no metric %s", name)
}

// Machine says in one line what was measured on.
func Machine() string {
	model := "processor of unknown model"
	if info, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(info)) {
			if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
				model = strings.TrimSpace(value)
				break
			}
		}
	}
	return model
}

// Load is the load average of the last minute, as /proc/loadavg tells it; "unknown"
// when it does not.
func Load() string {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return "unknown"
	}
	first, _, _ := strings.Cut(string(text), " ")
	return first
}
