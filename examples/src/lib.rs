//! Programs that show Deckle; each is a file beside this folder.
