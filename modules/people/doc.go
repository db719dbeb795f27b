// Package people shows people to a viewer: profiles, as users keeps them, with how the viewer stands to each, as
// follows knows it. It is the only place where the two meet, so that neither has to ask the other for it. It keeps
// nothing.
package people
