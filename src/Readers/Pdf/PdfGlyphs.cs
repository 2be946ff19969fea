using System.Globalization;
using System.Text;
using Kotonoha.Foundation.Text;
using Kotonoha.Foundation.Unicode;
using UglyToad.PdfPig.Content;
using UglyToad.PdfPig.Core;
using UglyToad.PdfPig.PdfFonts;

namespace Kotonoha.Readers.Pdf;

/// <summary>A drawn character, or several in one glyph. Across: x grows along the writing direction; down: y grows from line to
/// line.</summary>
internal sealed class Glyph
{
    internal required string Text { get; set; }

    internal required double Left { get; init; }

    internal required double Right { get; init; }

    /// <summary>The y of the line that it stands on.</summary>
    internal required double Base { get; init; }

    /// <summary>The font size in points.</summary>
    internal required double Size { get; init; }

    internal bool Bold { get; init; }

    internal double Center => (Left + Right) / 2;

    internal bool IsSpace => string.IsNullOrWhiteSpace(Text);
}

/// <summary>A drawn straight line: horizontal or vertical, as tables have them.</summary>
/// <param name="At">Its y (horizontal) or x (vertical).</param>
/// <param name="From">Where it starts on the other axis.</param>
/// <param name="To">Where it ends.</param>
internal readonly record struct Rule(double At, double From, double To);

/// <summary>What a page draws in one writing direction, in coordinates of that direction.</summary>
internal sealed record PageFrame(int Page, double Width, double Height, List<Glyph> Glyphs, List<Rule> Horizontal, List<Rule> Vertical);

/// <summary>Takes the glyphs and rules off a page and turns them, so that every frame reads from left to right and from top to
/// bottom.</summary>
internal sealed class PdfGlyphs
{
    /// <summary>A filled rectangle that is thinner than this many points is a line.</summary>
    private const double RuleThickness = 2.5;

    private const double ShortestRule = 6;

    private static readonly string[] BoldNames = ["Bold", "Black", "Heavy"];

    private readonly Dictionary<IFont, FontTraits> _fonts = new(ReferenceEqualityComparer.Instance);

    /// <summary>The fonts, on the page read last, whose glyphs stand for no known characters.</summary>
    internal SortedSet<string> UnreadableFonts { get; } = new(StringComparer.Ordinal);

    /// <summary>Reads a page.</summary>
    /// <returns>A frame for each writing direction, the one with most text first; none where the page has no text.</returns>
    internal List<PageFrame> Read(Page page, string name)
    {
        UnreadableFonts.Clear();
        if (page.Letters.Count + page.Paths.Count > DocumentLimits.MaxPageElements)
            throw new DocumentFormatException(
                $"'{name}' draws more than {DocumentLimits.MaxPageElements} characters and lines on page {page.Number}; that is too much.");
        var letters = page.Letters.Where(letter => IsOnPage(letter, page) && IsReadable(letter)).ToList();
        var stacked = Stacked(letters);
        var frames = new Dictionary<int, List<Glyph>>();
        for (int i = 0; i < letters.Count; i++)
        {
            int angle = stacked[i] ? 270 : Angle(letters[i]);
            if (!frames.TryGetValue(angle, out var glyphs))
                frames[angle] = glyphs = [];
            glyphs.Add(stacked[i] ? TurnStacked(letters[i], page) : Turn(letters[i], angle, page));
        }

        var (horizontal, vertical) = Rules(page);
        return
        [
            .. frames.OrderByDescending(frame => frame.Value.Sum(glyph => glyph.Text.Length)).ThenBy(frame => frame.Key)
                .Select(frame => new PageFrame(
                    page.Number,
                    frame.Key is 90 or 270 ? page.Height : page.Width,
                    frame.Key is 90 or 270 ? page.Width : page.Height,
                    Combine(frame.Value),
                    frame.Key == 0 ? horizontal : [],
                    frame.Key == 0 ? vertical : [])),
        ];
    }

    /// <summary>Whether a letter's font says what its glyphs stand for. Where it does not, the library gives the glyph's number as if it
    /// were a character.</summary>
    private bool IsReadable(Letter letter)
    {
        if (TraitsOf(letter).Readable)
            return true;
        var fontName = letter.FontName ?? "";
        UnreadableFonts.Add(fontName.Length > 7 && fontName[6] == '+' ? fontName[7..] : fontName);
        return false;
    }

    private FontTraits TraitsOf(Letter letter)
    {
        if (letter.GetFont() is not { } font)
            return new FontTraits(true, IsBold(letter));
        if (_fonts.TryGetValue(font, out var traits))
            return traits;
        bool readable = false;
        for (int code = 0; code <= char.MaxValue && !readable; code++)
            readable = font.TryGetUnicode(code, out var text) && !string.IsNullOrEmpty(text) && text[0] != '\0';
        return _fonts[font] = new FontTraits(readable, IsBold(letter));
    }

    private static bool IsBold(Letter letter)
        => letter.FontDetails.IsBold || letter.FontDetails.Weight >= 600
            || (letter.FontName is { } name && BoldNames.Any(bold => name.Contains(bold, StringComparison.OrdinalIgnoreCase)));

    private static bool IsOnPage(Letter letter, Page page)
    {
        double x = (letter.StartBaseLine.X + letter.EndBaseLine.X) / 2, y = letter.StartBaseLine.Y;
        return double.IsFinite(x) && double.IsFinite(y) && x >= -1 && x <= page.Width + 1 && y >= -1 && y <= page.Height + 1
            && !string.IsNullOrEmpty(letter.Value);
    }

    private static double SizeOf(Letter letter)
    {
        double size = Math.Abs(letter.PointSize), box = letter.GlyphRectangleLoose.Height;
        if (size < 1 && box > 2)
            size = box; // a font whose own units are odd
        return double.IsFinite(size) && size > 0.1 ? size : 0.1;
    }

    private static int Angle(Letter letter)
    {
        double dx = letter.EndBaseLine.X - letter.StartBaseLine.X, dy = letter.EndBaseLine.Y - letter.StartBaseLine.Y;
        if (dx > 0.01 && Math.Abs(dy) < 0.001)
            return 0;
        if (Math.Abs(dx) + Math.Abs(dy) < 0.01)
            return letter.TextOrientation switch
            {
                TextOrientation.Rotate90 => 270,
                TextOrientation.Rotate180
                => 180,
                TextOrientation.Rotate270 => 90,
                _ => 0
            };
        int angle = (int)Math.Round(Math.Atan2(dy, dx) * 180 / Math.PI);
        angle = (angle + 360) % 360;
        int right = (angle + 2) / 90 * 90;
        return Math.Abs(angle - right) <= 2 ? right % 360 : angle;
    }

    private Glyph Turn(Letter letter, int angle, Page page)
    {
        var (sin, cos) = Math.SinCos(angle * Math.PI / 180);
        // The page's corner that is the upper left one of the turned page becomes the origin.
        double originX = angle switch { 180 => page.Width, 270 => page.Height, _ => 0 },
            originY = angle switch { 0 => page.Height, 270 => page.Width, _ => 0 };
        double start = Across(letter.StartBaseLine), end = Across(letter.EndBaseLine);
        double baseline = originY - (-sin * letter.StartBaseLine.X + cos * letter.StartBaseLine.Y);
        return NewGlyph(letter, originX + Math.Min(start, end), originX + Math.Max(start, end), baseline);

        double Across(PdfPoint point) => cos * point.X + sin * point.Y;
    }

    /// <summary>An upright character of a column that is written downwards: across is down, down is to the left.</summary>
    private Glyph TurnStacked(Letter letter, Page page)
    {
        double size = SizeOf(letter), center = (letter.StartBaseLine.X + letter.EndBaseLine.X) / 2;
        double top = page.Height - letter.StartBaseLine.Y - (0.88 * size);
        return NewGlyph(letter, top, top + size, page.Width - center + (0.35 * size));
    }

    private Glyph NewGlyph(Letter letter, double left, double right, double baseline) => new()
    {
        Text = CleanText(letter.Value),
        Left = left,
        Right = right,
        Base = baseline,
        Size = SizeOf(letter),
        Bold = TraitsOf(letter).Bold,
    };

    /// <summary>Ligatures and the shapes that Arabic and Hebrew letters take in print become letters; the bullets of symbol fonts become
    /// bullets.</summary>
    private static string CleanText(string text)
    {
        foreach (char c in text)
        {
            if (c is (>= '\uFB00' and <= '\uFDFF') or (>= '\uFE70' and <= '\uFEFC'))
                return Normalizer.Normalize(text, NormalizationForm.FormKC);
            if (c is >= '\uF000' and <= '\uF0FF')
                return text.Replace('\uF0B7', '•').Replace('\uF0A7', '▪').Replace('\uF0D8', '‣').Replace('\uF06F', '◦')
                    .Replace('\uF020', ' ');
        }

        return text;
    }

    /// <summary>Which upright characters are written below one another: at least three in sequence in the file, each about its size below
    /// the last.</summary>
    private static bool[] Stacked(List<Letter> letters)
    {
        var stacked = new bool[letters.Count];
        for (int start = 0; start < letters.Count - 1;)
        {
            int end = start;
            while (end + 1 < letters.Count && IsBelow(letters[end], letters[end + 1]))
                end++;
            if (end - start >= 2)
                Array.Fill(stacked, true, start, end - start + 1);
            start = end + 1;
        }

        // On a page that is written downwards, single characters between words of another script are too.
        bool IsUprightCjk(Letter letter) => letter.TextOrientation == TextOrientation.Horizontal && IsCjk(letter);
        int upright = letters.Count(IsUprightCjk);
        if (2 * stacked.Count(each => each) > upright)
            for (int i = 0; i < stacked.Length; i++)
                stacked[i] |= IsUprightCjk(letters[i]);
        return stacked;

        static bool IsBelow(Letter above, Letter below)
        {
            double size = SizeOf(above), down = above.StartBaseLine.Y - below.StartBaseLine.Y;
            double aside = Math.Abs(above.StartBaseLine.X + above.EndBaseLine.X - below.StartBaseLine.X - below.EndBaseLine.X) / 2;
            return above.TextOrientation == TextOrientation.Horizontal && below.TextOrientation == TextOrientation.Horizontal
                && Math.Abs(SizeOf(below) - size) < 0.1 * size && aside < 0.4 * size && down > 0.4 * size && down < 1.6 * size
                && IsCjk(above) && IsCjk(below);
        }

        static bool IsCjk(Letter letter) => CjkText.IsCjk(letter.Value[0]);
    }

    /// <summary>Puts the marks that are drawn over letters of their own (accents, vowel points) behind the letter that they stand
    /// on.</summary>
    private static List<Glyph> Combine(List<Glyph> glyphs)
    {
        if (!glyphs.Exists(IsMark))
            return glyphs;
        var result = glyphs.Where(glyph => !IsMark(glyph)).ToList();
        foreach (var mark in glyphs.Where(IsMark))
        {
            var letter = result.Where(glyph
                => !glyph.IsSpace && Math.Abs(glyph.Base - mark.Base) < 0.6 * glyph.Size
                && mark.Center >= glyph.Left - (0.15 * glyph.Size) && mark.Center <= glyph.Right + (0.15 * glyph.Size))
                .MinBy(glyph => Math.Abs(glyph.Center - mark.Center));
            if (letter is not null)
                letter.Text = Normalizer.Normalize(letter.Text + mark.Text, NormalizationForm.FormC);
            else
                result.Add(mark);
        }

        return result;

        static bool IsMark(Glyph glyph)
            => glyph.Text.EnumerateRunes()
            .All(rune => Rune.GetUnicodeCategory(rune) is UnicodeCategory.NonSpacingMark or UnicodeCategory.EnclosingMark);
    }

    private static (List<Rule> Horizontal, List<Rule> Vertical) Rules(Page page)
    {
        var horizontal = new List<Rule>();
        var vertical = new List<Rule>();
        foreach (var path in page.Paths)
        {
            if (path.IsClipping || !(path.IsFilled || path.IsStroked))
                continue;
            foreach (var part in path)
            {
                if (path.IsStroked)
                    foreach (var line in part.Commands.OfType<PdfSubpath.Line>())
                        Add(line.From.X, line.From.Y, line.To.X, line.To.Y);
                if (part.GetBoundingRectangle() is not { } box)
                    continue;
                bool thin = box.Height < RuleThickness || box.Width < RuleThickness;
                if (thin && path.IsFilled)
                    Add(box.Left, box.Bottom, box.Right, box.Top);
                else if (path.IsStroked && part.IsDrawnAsRectangle)
                    foreach (var (x0, y0, x1, y1) in new[] { (box.Left, box.Bottom, box.Right, box.Bottom),
                        (box.Left, box.Top, box.Right, box.Top), (box.Left, box.Bottom, box.Left, box.Top),
                        (box.Right, box.Bottom, box.Right, box.Top) })
                        Add(x0, y0, x1, y1);
            }
        }

        return (horizontal, vertical);

        void Add(double x0, double y0, double x1, double y1)
        {
            double width = Math.Abs(x1 - x0), height = Math.Abs(y1 - y0);
            if (!double.IsFinite(width) || !double.IsFinite(height))
                return;
            if (height < RuleThickness && width >= ShortestRule)
                horizontal.Add(new Rule(page.Height - ((y0 + y1) / 2), Math.Min(x0, x1), Math.Max(x0, x1)));
            else if (width < RuleThickness && height >= ShortestRule)
                vertical.Add(new Rule((x0 + x1) / 2, page.Height - Math.Max(y0, y1), page.Height - Math.Min(y0, y1)));
        }
    }

    private readonly record struct FontTraits(bool Readable, bool Bold);
}
