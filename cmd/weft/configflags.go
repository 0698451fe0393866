package main

import (
	"io"
	"log"
	"log/slog"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"weft/cmd/weft/settings"
	"weft/config"
)

// fileFlag adds --config; its value is read by load.
func fileFlag(cmd *cobra.Command) {
	cmd.Flags().String("config", "", "configuration file in YAML (or "+settings.PathVariable+"); without one, the defaults")
}

// overrides are the flags that set a key.
var overrides = []struct{ flag, key, usage string }{
	{"data-dir", "node.data_dir", "folder that holds all state"},
	{"log-level", "log.level", "debug, info, warn or error"},
	{"log-format", "log.format", "text or json"},
}

func overrideFlags(cmd *cobra.Command) {
	for _, o := range overrides {
		cmd.Flags().String(o.flag, "", o.usage+" ("+o.key+")")
	}
	cmd.Flags().Bool("insecure-public", false, "permit auth.mode none on a public listener that others can reach")
}

// load reads the configuration that cmd's flags and the environment ask for.
func load(cmd *cobra.Command) (*settings.Loaded, error) {
	src := settings.Source{Source: config.Source{Path: os.Getenv(settings.PathVariable), Environ: os.Environ()}}
	if f := cmd.Flags().Lookup("config"); f != nil && f.Changed {
		src.Path = f.Value.String()
	}
	for _, o := range overrides {
		if f := cmd.Flags().Lookup(o.flag); f != nil && f.Changed {
			src.Settings = append(src.Settings, config.Setting{Flag: "--" + o.flag, Key: o.key, Value: f.Value.String()})
		}
	}
	if f := cmd.Flags().Lookup("insecure-public"); f != nil {
		src.InsecurePublic = f.Value.String() == "true"
	}
	return settings.Load(src)
}

// newLogger writes to w as the section log says, which has been checked.
func newLogger(w io.Writer, c settings.LogConfig) *slog.Logger {
	var level slog.Level
	if err := level.UnmarshalText([]byte(c.Level)); err != nil {
		level = slog.LevelInfo
	}
	options := &slog.HandlerOptions{Level: level}
	if c.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

// takeLibraryLog makes lines of what libraries write to the log that Go has for everybody:
// what package http thinks of servers that routes lead to, with bytes of theirs in it.
func takeLibraryLog(to *slog.Logger) {
	log.SetFlags(0)
	log.SetOutput(libraryLog{to})
}

type libraryLog struct{ to *slog.Logger }

// Write implements io.Writer; package log writes one line at a time.
func (l libraryLog) Write(line []byte) (int, error) {
	said := strings.TrimSpace(string(line))
	if strings.HasPrefix(said, "Unsolicited response") {
		said = "a server sent more than its answer" // which nobody may read
	}
	l.to.Debug("a library reports", "text", said)
	return len(line), nil
}
