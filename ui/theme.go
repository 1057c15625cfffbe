package ui

import (
	"image/color"

	"fyne.io/fyne/v2"
	"fyne.io/fyne/v2/theme"

	"sallyport.dev/sallyport/assets"
)

// Colours beside Fyne's own.
const (
	colorSidebar   fyne.ThemeColorName = "sallyportSidebar"
	colorCard      fyne.ThemeColorName = "sallyportCard"
	colorBorder    fyne.ThemeColorName = "sallyportBorder"
	colorMuted     fyne.ThemeColorName = "sallyportMuted"
	colorRowAlt    fyne.ThemeColorName = "sallyportRowAlt"
	colorChangeRow fyne.ThemeColorName = "sallyportChangeRow"
	colorSelected  fyne.ThemeColorName = "sallyportSelected"
	colorOK        fyne.ThemeColorName = "sallyportOK"
	colorBad       fyne.ThemeColorName = "sallyportBad"
	colorAsk       fyne.ThemeColorName = "sallyportAsk"
	colorOKBack    fyne.ThemeColorName = "sallyportOKBack"
	colorBadBack   fyne.ThemeColorName = "sallyportBadBack"
	colorAskBack   fyne.ThemeColorName = "sallyportAskBack"
)

// shades are a colour in dark and in light windows.
type shades struct{ dark, light color.NRGBA }

var colors = map[fyne.ThemeColorName]shades{
	theme.ColorNameBackground:        {rgb(0x0f141c), rgb(0xf5f7fa)},
	theme.ColorNameForeground:        {rgb(0xe6ebf2), rgb(0x18212f)},
	theme.ColorNamePrimary:           {rgb(0x4c8dff), rgb(0x2563eb)},
	theme.ColorNameHyperlink:         {rgb(0x6ea3ff), rgb(0x2563eb)},
	theme.ColorNameButton:            {rgb(0x222c3b), rgb(0xe9eef5)},
	theme.ColorNameDisabledButton:    {rgb(0x1a222e), rgb(0xeef1f6)},
	theme.ColorNameDisabled:          {rgb(0x5a6678), rgb(0xa3adbb)},
	theme.ColorNameInputBackground:   {rgb(0x1d2634), rgb(0xf0f3f8)},
	theme.ColorNameInputBorder:       {rgb(0x2b3647), rgb(0xffffff)}, // the GL driver draws it darker
	theme.ColorNameHover:             {rgba(0xffffff, 14), rgba(0x000000, 14)},
	theme.ColorNamePressed:           {rgba(0xffffff, 30), rgba(0x000000, 30)},
	theme.ColorNameSelection:         {rgba(0x4c8dff, 60), rgba(0x2563eb, 40)},
	theme.ColorNameFocus:             {rgba(0x4c8dff, 80), rgba(0x2563eb, 60)},
	theme.ColorNameSeparator:         {rgb(0x1f2835), rgb(0xe6ebf1)},
	theme.ColorNamePlaceHolder:       {rgb(0x75839a), rgb(0x74839a)},
	theme.ColorNameOverlayBackground: {rgb(0x161d28), rgb(0xffffff)},
	theme.ColorNameMenuBackground:    {rgb(0x1b2431), rgb(0xffffff)},
	theme.ColorNameHeaderBackground:  {rgb(0x131a24), rgb(0xf8fafc)},
	theme.ColorNameShadow:            {rgba(0x000000, 90), rgba(0x000000, 40)},
	theme.ColorNameScrollBar:         {rgba(0xffffff, 60), rgba(0x000000, 60)},
	theme.ColorNameError:             {rgb(0xc93c43), rgb(0xd63a40)},
	theme.ColorNameSuccess:           {rgb(0x23915b), rgb(0x1b9a5e)},
	theme.ColorNameWarning:           {rgb(0xe0a33a), rgb(0xc98715)},
	colorSidebar:                     {rgb(0x0b0f16), rgb(0xffffff)},
	colorCard:                        {rgb(0x161d28), rgb(0xffffff)},
	colorBorder:                      {rgb(0x263041), rgb(0xdfe5ed)},
	colorMuted:                       {rgb(0x8b98ab), rgb(0x637186)},
	colorRowAlt:                      {rgba(0xffffff, 6), rgba(0x28466e, 8)},
	colorChangeRow:                   {rgba(0x4c8dff, 26), rgba(0x2563eb, 18)},
	colorSelected:                    {rgb(0x1c2a44), rgb(0xe4edff)},
	colorOK:                          {rgb(0x5fdba0), rgb(0x11734a)},
	colorBad:                         {rgb(0xff8a8e), rgb(0xb3262d)},
	colorAsk:                         {rgb(0xf5c469), rgb(0x8a5b05)},
	colorOKBack:                      {rgb(0x14372a), rgb(0xd9f4e6)},
	colorBadBack:                     {rgb(0x43202a), rgb(0xfde2e3)},
	colorAskBack:                     {rgb(0x3d3118), rgb(0xfdf0d2)},
}

// Appearance says whether the windows are light or dark.
type Appearance string

// The appearances; the zero Appearance follows the system.
const (
	FollowSystem Appearance = ""
	Light        Appearance = "light"
	Dark         Appearance = "dark"
)

// sallyportTheme is the look of all windows.
type sallyportTheme struct {
	appearance     Appearance
	regular, heavy fyne.Resource
}

// NewTheme makes the theme of all windows.
func NewTheme(a Appearance) fyne.Theme {
	return &sallyportTheme{
		appearance: a,
		regular:    fyne.NewStaticResource("Inter-Regular.otf", assets.InterRegular),
		heavy:      fyne.NewStaticResource("Inter-SemiBold.otf", assets.InterSemiBold),
	}
}

func (t *sallyportTheme) variant(v fyne.ThemeVariant) fyne.ThemeVariant {
	switch t.appearance {
	case Light:
		return theme.VariantLight
	case Dark:
		return theme.VariantDark
	}
	return v
}

func (t *sallyportTheme) Color(n fyne.ThemeColorName, v fyne.ThemeVariant) color.Color {
	switch n {
	case theme.ColorNameForegroundOnPrimary, theme.ColorNameForegroundOnError,
		theme.ColorNameForegroundOnSuccess, theme.ColorNameForegroundOnWarning:
		return color.White
	}
	v = t.variant(v)
	c, ok := colors[n]
	switch {
	case !ok:
		return theme.DefaultTheme().Color(n, v)
	case v == theme.VariantLight:
		return c.light
	}
	return c.dark
}

func (t *sallyportTheme) Font(s fyne.TextStyle) fyne.Resource {
	switch {
	case s.Monospace || s.Symbol:
		return theme.DefaultTheme().Font(s)
	case s.Bold:
		return t.heavy
	}
	return t.regular
}

func (t *sallyportTheme) Icon(n fyne.ThemeIconName) fyne.Resource {
	return theme.DefaultTheme().Icon(n)
}

func (t *sallyportTheme) Size(n fyne.ThemeSizeName) float32 {
	switch n {
	case theme.SizeNameText:
		return 13
	case theme.SizeNameCaptionText:
		return 11
	case theme.SizeNameSubHeadingText:
		return 15
	case theme.SizeNameHeadingText:
		return 20
	case theme.SizeNamePadding:
		return 4
	case theme.SizeNameInnerPadding, theme.SizeNameInputRadius, theme.SizeNameSelectionRadius:
		return 6
	case theme.SizeNameScrollBar:
		return 10
	}
	return theme.DefaultTheme().Size(n)
}

func rgb(v uint32) color.NRGBA {
	return color.NRGBA{R: uint8(v >> 16), G: uint8(v >> 8), B: uint8(v), A: 255}
}

func rgba(v uint32, alpha uint8) color.NRGBA {
	c := rgb(v)
	c.A = alpha
	return c
}
