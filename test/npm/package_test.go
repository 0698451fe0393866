package npm

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// Whoever installs the package gets what a node serves, its types, the hook, a page to read and
// the licence; nothing of the sources, and nothing that runs or is fetched with it.
func TestThePackageHoldsWhatItShould(t *testing.T) {
	t.Parallel()
	archive := pack(t)
	names := strings.Fields(run(t, ".", "tar", "-tzf", archive))
	slices.Sort(names)
	want := []string{"package/LICENSE", "package/README.md", "package/dist/client-more.js", "package/dist/client-tabs.js", "package/dist/client.d.ts", "package/dist/client.js",
		"package/dist/react.d.ts", "package/dist/react.js", "package/package.json"}
	if !slices.Equal(names, want) {
		t.Errorf("it holds %v, want %v", names, want)
	}

	dir := filepath.Join(project(t), "node_modules", "weft-client")
	for packed, source := range map[string]string{"LICENSE": "../../LICENSE", "README.md": "../../edge/client/README.md", "dist/client.js": "../../edge/client/dist/client.js"} {
		got, err := os.ReadFile(filepath.Join(dir, packed))
		must(t, err)
		want, err := os.ReadFile(source)
		must(t, err)
		if string(got) != string(want) {
			t.Errorf("%s is not %s", packed, source)
		}
	}

	text, err := os.ReadFile(filepath.Join(dir, "package.json"))
	must(t, err)
	var manifest struct {
		Name, License, Type             string
		SideEffects                     *bool
		Exports                         map[string]any
		Scripts, Dependencies, Optional map[string]string
		PeerDependenciesMeta            map[string]struct{ Optional bool }
	}
	must(t, json.Unmarshal(text, &manifest))
	if manifest.Name != "weft-client" || manifest.License != "Apache-2.0" || manifest.Type != "module" || manifest.SideEffects == nil || *manifest.SideEffects {
		t.Errorf("package.json says %+v", manifest)
	}
	if len(manifest.Dependencies) > 0 || !manifest.PeerDependenciesMeta["react"].Optional {
		t.Errorf("it brings %v, and React optional: %v", manifest.Dependencies, manifest.PeerDependenciesMeta)
	}
	for _, script := range []string{"preinstall", "install", "postinstall", "prepare"} {
		if command, there := manifest.Scripts[script]; there {
			t.Errorf("who installs it runs %s", command)
		}
	}
	// What is exported is there.
	var check func(at any)
	check = func(at any) {
		switch at := at.(type) {
		case string:
			if _, err := os.Stat(filepath.Join(dir, at)); err != nil {
				t.Error(err)
			}
		case map[string]any:
			for _, it := range at {
				check(it)
			}
		}
	}
	check(map[string]any(manifest.Exports))
}

// The declarations are whole, and hold what a page may write to it, in a project that checks
// strictly, with the resolution of bundlers and of Node, by an older compiler, too. The files say
// where an error is due: types that are not found would bring none.
func TestTypeScriptProjectsAreCheckedAgainstIt(t *testing.T) {
	t.Parallel()
	dir := project(t, "consumer.ts", "orders.tsx")
	for _, c := range []struct{ compiler, module, resolution string }{
		{"typescript", "esnext", "bundler"},
		{"typescript", "node16", "node16"},
		{"typescript5", "node16", "node16"},
	} {
		t.Run(c.compiler+" "+c.resolution, func(t *testing.T) {
			t.Parallel()
			run(t, dir, "node", filepath.Join("node_modules", c.compiler, "bin", "tsc"),
				"--strict", "--noEmit", "--exactOptionalPropertyTypes", "--noUncheckedIndexedAccess", "--skipLibCheck", "false", "--skipDefaultLibCheck", "--types", "react",
				"--target", "es2022", "--lib", "es2022,dom", "--jsx", "react-jsx", "--module", c.module, "--moduleResolution", c.resolution,
				"consumer.ts", "orders.tsx")
		})
	}
}
