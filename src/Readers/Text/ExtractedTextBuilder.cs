using System.Globalization;
using System.Text;

namespace Kotonoha.Readers;

/// <summary>Puts the text of a document together block by block, and keeps the heading path; the one place where extracted text is
/// cleaned.</summary>
/// <remarks>Lone surrogates become U+FFFD; control characters and invisible characters that only hide things (zero-width spaces,
/// direction overrides, Unicode tag characters) are dropped, so that offsets survive JSON and no reader is shown what a person cannot
/// see.</remarks>
internal sealed class ExtractedTextBuilder(string name)
{
    private const string PathSeparator = " › ";

    private const int IndentWidth = 2, MaxIndents = 16;

    private readonly StringBuilder _text = new();
    private readonly List<DocumentBlock> _blocks = [];
    private readonly List<(int Level, string Text)> _headings = [];
    private int _outermost; // the least depth of the items that stand together
    private bool _listEnds;

    internal string? FirstHeading { get; private set; }

    /// <summary>Adds a block; text that is empty once it is cleaned and trimmed adds nothing.</summary>
    /// <param name="kind">What it is.</param>
    /// <param name="text">Its text.</param>
    /// <param name="page">The page on which it starts, or null.</param>
    /// <param name="depth">How many lists an item's list lies in: by those that it stands together with it is indented, with white
    /// space before the block.</param>
    internal void Add(BlockKind kind, string text, int? page = null, int depth = 0)
    {
        var clean = Clean(text);
        // The first and the last cell of a table may be empty.
        clean = kind is BlockKind.Code or BlockKind.Table ? clean.Trim('\n') : clean.Trim();
        if (string.IsNullOrWhiteSpace(clean))
            return;
        Append(kind, clean, page, 0, depth);
    }

    /// <summary>Adds a heading, which ends the sections of its level and below; level 0 is a title above all headings.</summary>
    internal void AddHeading(int level, string text, int? page = null)
    {
        var clean = Clean(text).Replace('\n', ' ').Trim();
        if (clean.Length == 0)
            return;
        FirstHeading ??= clean;
        _headings.RemoveAll(heading => heading.Level >= level);
        _headings.Add((level, clean));
        Append(BlockKind.Heading, clean, page, Math.Max(level, 1));
    }

    /// <summary>Ends the sections of a level and below, where what follows has no heading of its own.</summary>
    internal void EndSections(int level) => _headings.RemoveAll(heading => heading.Level >= level);

    internal ExtractedDocument Build(string? title, string mediaType, bool firstHeadingIsTitle = true)
    {
        var cleanTitle = title is null ? null : Clean(title).Replace('\n', ' ').Trim();
        return new ExtractedDocument(
            _text.ToString(), _blocks, !string.IsNullOrEmpty(cleanTitle) ? cleanTitle : firstHeadingIsTitle ? FirstHeading : null,
            mediaType);
    }

    /// <summary>Ends a list: an item that follows is one of another list.</summary>
    internal void EndList() => _listEnds = true;

    private void Append(BlockKind kind, string text, int? page, int level, int depth = 0)
    {
        if (_text.Length + text.Length > DocumentLimits.MaxTextLength)
            throw new DocumentFormatException(
                $"'{name}' holds more than {DocumentLimits.MaxTextLength >> 20} million characters of text; split it into smaller files.");
        bool goesOn = kind == BlockKind.ListItem && !_listEnds && _blocks.Count > 0 && _blocks[^1].Kind == BlockKind.ListItem;
        _listEnds = false;
        if (_blocks.Count > 0)
            _text.Append(goesOn ? "\n" : "\n\n");
        if (kind == BlockKind.ListItem)
        {
            _outermost = goesOn ? Math.Min(_outermost, depth) : depth;
            _text.Append(' ', IndentWidth * Math.Min(depth - _outermost, MaxIndents));
        }

        int start = _text.Length;
        _text.Append(text);
        var path = _headings.Count == 0 ? null : string.Join(PathSeparator, _headings.Select(heading => heading.Text));
        _blocks.Add(new DocumentBlock(kind, start, _text.Length, path, page, level));
    }

    internal static string Clean(string text)
    {
        int i = 0;
        while (i < text.Length && IsPlain(text[i]))
            i++;
        if (i == text.Length)
            return text;

        var clean = new StringBuilder(text.Length);
        clean.Append(text, 0, i);
        for (; i < text.Length; i++)
        {
            char c = text[i];
            if (char.IsHighSurrogate(c) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
            {
                // Plane 14 tags (U+E0000..U+E007F) spell ASCII invisibly.
                if (!(c == '\uDB40' && text[i + 1] is >= '\uDC00' and <= '\uDC7F'))
                    clean.Append(c).Append(text[i + 1]);
                i++;
            }
            else if (char.IsSurrogate(c))
            {
                clean.Append('\uFFFD');
            }
            else if (c == '\r')
            {
                if (i + 1 >= text.Length || text[i + 1] != '\n')
                    clean.Append('\n');
            }
            else if (c is '\u0085' or '\u2028' or '\u2029' or '\f' or '\v')
            {
                clean.Append('\n');
            }
            else if (c is '\n' or '\t' or '\u200C' or '\u200D' || !IsInvisible(c))
            {
                clean.Append(c);
            }
        }

        return clean.ToString();
    }

    private static bool IsPlain(char c)
        => c is '\n' or '\t' || (c >= ' ' && c < '\u007f') || c is (>= '\u3000' and <= '\u9fff') or (>= '\uff01' and <= '\uffee');

    private static bool IsInvisible(char c)
        => c is '\u00AD' or '\u200B' or '\u2060' or '\uFEFF' or (>= '\u200E' and <= '\u200F')
                or (>= '\u202A' and <= '\u202E') or (>= '\u2066' and <= '\u2069')
            || CharUnicodeInfo.GetUnicodeCategory(c) == UnicodeCategory.Control;
}
