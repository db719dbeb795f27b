// Package config reads the configuration: defaults, config.yaml, environment and flags, in this order, strictly. An
// error names file, line and column, or the variable or flag. The struct of each section belongs to the package that
// uses it; this package knows them all and checks what no single one can.
package config
