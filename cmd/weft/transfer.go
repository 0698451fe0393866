package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"weft/cmd/weft/client"
)

func newExportCommand() *cobra.Command {
	var admin client.Admin
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write blacklist and routes to standard output",
		Long: `Writes all entries of the buckets blacklist and routes to standard output, as JSON
Lines that weft import reads: a backup, or the way from one node to a cluster. The
node must be running. Events are not exported.

The last line counts the entries; a file that was cut off has none.`,
		Example: "  weft export > weft.jsonl",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := adminTarget(cmd, &admin); err != nil {
				return err
			}
			entries, err := admin.Export(cmd.Context(), cmd.OutOrStdout())
			if err != nil {
				return adminHint(fmt.Errorf("export: %w", err))
			}
			_, err = fmt.Fprintf(cmd.ErrOrStderr(), "weft: exported %d entries\n", entries)
			return err
		},
	}
	adminFlags(cmd, &admin)
	return cmd
}

func newImportCommand() *cobra.Command {
	var admin client.Admin
	var asJSON *bool
	cmd := &cobra.Command{
		Use:   "import",
		Short: "Read blacklist and routes from standard input",
		Long: `Reads what weft export wrote from standard input and stores it, in a node or in any
node of a cluster.

An entry of the blacklist keeps the time it was made, so that it cuts the same
tokens as before, and lives for what is left of its life; one that has expired is
counted and left out. Where there is an entry already, the one that cuts more
stays. A route replaces the one of its name.

Importing the same again changes nothing. After an error, which names the line,
mend it and import again from the start.`,
		Example: "  weft import < weft.jsonl",
		Args:    noArguments,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := adminTarget(cmd, &admin); err != nil {
				return err
			}
			shown := progress{w: cmd.ErrOrStderr(), every: importProgress}
			done, err := admin.Import(cmd.Context(), cmd.InOrStdin(), shown.imported)
			if done.All() > 0 || err == nil {
				fmt.Fprintln(cmd.ErrOrStderr(), "weft: imported", summary(done))
			}
			if err != nil {
				return adminHint(fmt.Errorf("import: %w", err))
			}
			if *asJSON {
				return printJSON(cmd.OutOrStdout(), done)
			}
			return nil
		},
	}
	adminFlags(cmd, &admin)
	asJSON = jsonFlag(cmd)
	return cmd
}

// importProgress is after how many entries an import says how far it is.
const importProgress = 20_000

// progress tells a person that it goes on.
type progress struct {
	w     io.Writer
	every int
	told  int
}

func (p *progress) imported(done client.Imported) {
	if n := done.All(); n-p.told >= p.every {
		p.told = n
		fmt.Fprintf(p.w, "weft: %d entries so far\n", n)
	}
}

func summary(done client.Imported) string {
	return fmt.Sprintf("%d entries: %d stored, %d unchanged, %d expired", done.All(), done.Stored, done.Unchanged, done.Expired)
}
