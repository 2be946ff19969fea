using System.Globalization;

namespace Kotonoha.Readers;

/// <summary>The characters of fonts that draw signs at the places of letters (Symbol, Wingdings).</summary>
internal static class SymbolFonts
{
    /// <summary>Symbol from 0x20: Greek letters and signs of mathematics (Adobe's encoding of the font); a space where it has
    /// none.</summary>
    private const string Symbol =
        " !∀#∃%&∋()∗+,−./0123456789:;<=>?≅ΑΒΧΔΕΦΓΗΙϑΚΛΜΝΟΠΘΡΣΤΥςΩΞΨΖ[∴]⊥_‾αβχδεφγηιϕκλμνοπθρστυϖωξψζ{|}∼ "
        + "                                €ϒ′≤⁄∞ƒ♣♦♥♠↔←↑→↓°±″≥×∝∂•÷≠≡≈…⏐⎯↵ℵℑℜ℘⊗⊕∅∩∪⊃⊇⊄⊂⊆∈∉∠∇®©™∏√⋅¬∧∨⇔⇐⇑⇒⇓◊〈®©™∑"
        + "⎛⎜⎝⎡⎢⎣⎧⎨⎩⎪ 〉∫⌠⎮⌡⎞⎟⎠⎤⎥⎦⎫⎬⎭ ";

    private static readonly Dictionary<int, string> Wingdings = new()
    {
        [0x21] = "✏",
        [0x22] = "✂",
        [0x28] = "☎",
        [0x29] = "✆",
        [0x2A] = "✉",
        [0x36] = "⌛",
        [0x3F] = "✍",
        [0x41] = "✌",
        [0x45] = "☜",
        [0x46] = "☞",
        [0x47] = "☝",
        [0x48] = "☟",
        [0x4A] = "☺",
        [0x4B] = "😐",
        [0x4C] = "☹",
        [0x4E] = "☠",
        [0x4F] = "⚐",
        [0x51] = "✈",
        [0x52] = "☼",
        [0x54] = "❄",
        [0x6C] = "●",
        [0x6D] = "❍",
        [0x6E] = "■",
        [0x6F] = "□",
        [0x71] = "❑",
        [0x72] = "❒",
        [0x73] = "⬧",
        [0x74] = "⧫",
        [0x75] = "◆",
        [0x76] = "❖",
        [0x77] = "⬥",
        [0x78] = "⌧",
        [0x7C] = "❙",
        [0x80] = "⓪",
        [0x8B] = "⓿",
        [0x9E] = "·",
        [0x9F] = "•",
        [0xA0] = "▪",
        [0xA1] = "○",
        [0xA4] = "◉",
        [0xA5] = "◎",
        [0xA7] = "▪",
        [0xA8] = "☐",
        [0xAA] = "✦",
        [0xAB] = "★",
        [0xD5] = "⌫",
        [0xD6] = "⌦",
        [0xD8] = "➢",
        [0xDC] = "➲",
        [0xDF] = "←",
        [0xE0] = "→",
        [0xE1] = "↑",
        [0xE2] = "↓",
        [0xE3] = "↖",
        [0xE4] = "↗",
        [0xE5] = "↙",
        [0xE6] = "↘",
        [0xE7] = "←",
        [0xE8] = "➔",
        [0xE9] = "↑",
        [0xEA] = "↓",
        [0xEF] = "⇦",
        [0xF0] = "⇨",
        [0xF1] = "⇧",
        [0xF2] = "⇩",
        [0xF3] = "⬄",
        [0xF4] = "⇳",
        [0xFB] = "✗",
        [0xFC] = "✓",
        [0xFD] = "☒",
        [0xFE] = "☑",
    };

    private static readonly Dictionary<int, string> Wingdings2 = new()
    {
        [0x4F] = "✗",
        [0x50] = "✓",
        [0x51] = "☒",
        [0x52] = "☑",
        [0x53] = "☒",
        [0x54] = "☒",
        [0x97] = "●",
        [0x98] = "•",
        [0x99] = "●",
        [0xA2] = "■",
        [0xA3] = "☐",
    };

    private static readonly Dictionary<int, string> Webdings = new()
    {
        [0x33] = "◀",
        [0x34] = "▶",
        [0x35] = "▲",
        [0x36] = "▼",
        [0x61] = "✓",
        [0x63] = "□",
        [0x67] = "■",
        [0x6E] = "●",
        [0x72] = "✗",
        [0xCA] = "☔",
    };

    internal static bool IsSymbolic(string? font)
        => font is not null && (font.Equals("Symbol", StringComparison.OrdinalIgnoreCase)
            || font.StartsWith("Wingdings", StringComparison.OrdinalIgnoreCase)
            || font.Equals("Webdings", StringComparison.OrdinalIgnoreCase));

    /// <summary>The character of a <c>w:sym</c>, from its font and its hexadecimal code.</summary>
    internal static string Character(string? font, string? hex)
        => int.TryParse(hex, NumberStyles.HexNumber, CultureInfo.InvariantCulture, out int code)
            && code is > 0 and < 0xD800 or (> 0xDFFF and < 0xFFFE)
            ? Character(font, code) : "";

    /// <summary>Text in a font of signs, as its signs.</summary>
    internal static string Text(string font, string text)
        => string.Concat(
            text.Select(c => c is (>= '!' and <= '\u00FF') or (>= '\uF020' and <= '\uF0FF') ? Character(font, c) : c.ToString()));

    private static string Character(string? font, int code)
    {
        // Office moves the codes of such fonts to the private area from U+F000.
        int place = code is >= 0xF020 and <= 0xF0FF ? code - 0xF000 : code;
        if (!IsSymbolic(font))
            return ((char)place).ToString();
        if (place > 0xFF)
            return ((char)code).ToString();
        if (font!.Equals("Symbol", StringComparison.OrdinalIgnoreCase))
            return place >= 0x20 && place - 0x20 < Symbol.Length ? Symbol[place - 0x20].ToString() : "\uFFFD";
        bool second = font.EndsWith('2'), web = font.StartsWith("Web", StringComparison.OrdinalIgnoreCase);
        if (!second && !web && place is >= 0x81 and <= 0x8A)
            return ((char)('①' + place - 0x81)).ToString();
        if (!second && !web && place is >= 0x8C and <= 0x95)
            return ((char)('❶' + place - 0x8C)).ToString();
        // A sign without a character of its own is still a sign: it does not become the letter whose place it has.
        return (second ? Wingdings2 : web ? Webdings : Wingdings).GetValueOrDefault(place, "\uFFFD");
    }
}
