package ui

// What differs from other systems in what is said.
const (
	textGoneMore         = "Nobody is asked and no rule is applied: everything passes, or only what rules allow if the engine was set to fail closed."
	textFailsClosedMeans = "only programs that a rule allows pass"
	textFailsOpenMeans   = "everything passes"
	textWholePath        = `write the whole path, such as C:\Windows\System32\curl.exe`
)
