// Package plugins is the contract between Belfry and its notification channels. A channel is a Listener, which
// hears every event as it becomes durable, or a Sender, which hands one notification to one endpoint of one
// person. Channels are compiled in: Define a Factory, hand it to Provide, put the result into app.Main.
//
// channeltest holds the kit every channel has to pass. docs/writing-a-channel.md is the guide.
package plugins
