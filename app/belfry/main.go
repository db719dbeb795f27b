// Command belfry is the social backend in one binary. A program with further channels is as short:
// app.Main(telegram.Module).
package main

import "github.com/belfry-social/belfry/app"

func main() { app.Main() }
