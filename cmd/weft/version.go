package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func newVersionCommand() *cobra.Command {
	var asJSON *bool
	cmd := &cobra.Command{
		Use:   "version",
		Short: "Print version, revision and Go version",
		Long: `Prints what was built: the version, the revision of the source, and the version of
Go with the platform. weft --version does the same.`,
		Example: `  weft version
  weft version --json`,
		Args: noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if *asJSON {
				return printJSON(cmd.OutOrStdout(), thisBuild())
			}
			_, err := fmt.Fprint(cmd.OutOrStdout(), thisBuild())
			return err
		},
	}
	asJSON = jsonFlag(cmd)
	return cmd
}

// built is what the Go command recorded about this binary.
type built struct {
	Version  string `json:"version"`
	Revision string `json:"revision"`
	Go       string `json:"go"`
	OS       string `json:"os"`
	Arch     string `json:"arch"`
}

func (b built) String() string {
	return fmt.Sprintf("weft %s\nrevision %s\n%s %s/%s\n", b.Version, b.Revision, b.Go, b.OS, b.Arch)
}

func thisBuild() built {
	b := built{Go: runtime.Version(), OS: runtime.GOOS, Arch: runtime.GOARCH}
	b.Version, b.Revision = build()
	return b
}

// Of a release, set by the linker; see deploy/release.sh.
var version, revision string

// build is the version and the revision.
func build() (string, string) {
	if version != "" {
		return version, revision
	}
	return recorded()
}

// recorded is what the Go command wrote into a binary that is no release.
func recorded() (version, revision string) {
	version, revision = "unknown", "unknown"
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return version, revision
	}
	if info.Main.Version != "" {
		version = info.Main.Version
	}
	modified := false
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			revision = s.Value
		case "vcs.modified":
			modified = s.Value == "true"
		}
	}
	if modified {
		revision += " (with changes)"
	}
	return version, revision
}
