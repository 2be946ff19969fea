using System.Text;
using System.Xml.Linq;
using DocumentFormat.OpenXml.Packaging;

namespace Kotonoha.Readers;

/// <summary>Walks the body of a Word document and hands its visible text to an <see cref="ExtractedTextBuilder"/>.</summary>
/// <remarks>Notes and text boxes come after the paragraph or table that they belong to. Comments, deleted and struck-out text, the codes
/// of fields and the readings of ruby are left out.</remarks>
internal sealed class DocxTextExtractor
{
    private readonly ExtractedTextBuilder _builder;
    private readonly CancellationToken _cancellationToken;
    private readonly DocxStyles _styles;
    private readonly DocxNumbering _numbering;
    private readonly Dictionary<string, XElement> _notes = new(StringComparer.Ordinal);
    private readonly HashSet<XElement> _brokenFields = [];
    private readonly Stack<bool> _fields = new(); // for each open field: whether its code goes on
    private readonly StringBuilder _carried = new(); // of paragraphs whose end is deleted

    internal DocxTextExtractor(MainDocumentPart part, ExtractedTextBuilder builder, CancellationToken cancellationToken)
    {
        (_builder, _cancellationToken) = (builder, cancellationToken);
        _styles = new DocxStyles(part.StyleDefinitionsPart.Root());
        _numbering = new DocxNumbering(part.NumberingDefinitionsPart.Root(), _styles);
        AddNotes(part.FootnotesPart.Root(), "footnote");
        AddNotes(part.EndnotesPart.Root(), "endnote");
    }

    internal void Extract(XElement body)
    {
        FindBrokenFields(body);
        Walk(body);
        FlushCarried();
    }

    private void AddNotes(XElement? notes, string kind)
    {
        foreach (var note in notes.Children(kind))
            if (note.Attr("type") is null or "normal" && note.Attr("id") is { } id)
                _notes[kind + id] = note;
    }

    /// <summary>A field that never ends hides nothing.</summary>
    private void FindBrokenFields(XElement story)
    {
        var open = new Stack<XElement>();
        foreach (var mark in story.Named("fldChar"))
        {
            if (mark.Attr("fldCharType") == "begin")
                open.Push(mark);
            else if (mark.Attr("fldCharType") == "end" && !open.TryPop(out _))
                _brokenFields.Add(mark);
        }

        _brokenFields.UnionWith(open);
    }

    private void Walk(XElement parent)
    {
        foreach (var child in parent.Elements())
        {
            _cancellationToken.ThrowIfCancellationRequested();
            switch (child.LocalName())
            {
                case "p":
                    Add(child);
                    break;
                case "tbl":
                    Add(child, []);
                    break;
                case "sdt" or "sdtContent" or "customXml" or "smartTag" or "ins" or "moveTo":
                    Walk(child);
                    break;
                case "AlternateContent" when child.Alternative() is { } shown:
                    Walk(shown);
                    break;
                case "oMathPara" or "oMath":
                    _builder.Add(BlockKind.Paragraph, OfficeMath.Linear(child));
                    break;
            }
        }
    }

    private void Add(XElement paragraph)
    {
        var asides = new List<XElement>();
        var (text, marker, level) = Read(paragraph, asides);
        var properties = paragraph.Child("pPr");
        if (IsDeleted(properties.Child("rPr")))
        {
            _carried.Append(text);
        }
        else
        {
            text = TakeCarried() + text;
            var styleId = properties.Child("pStyle").Val();
            if (_styles.HeadingLevel(properties, styleId) is { } heading)
                _builder.AddHeading(heading, string.IsNullOrWhiteSpace(text) ? "" : marker + text);
            else if (level is { } depth)
                _builder.Add(BlockKind.ListItem, string.IsNullOrWhiteSpace(text) ? "" : marker + text, depth: depth);
            else
                _builder.Add(_styles.IsCode(styleId) ? BlockKind.Code : BlockKind.Paragraph, text);
        }

        foreach (var aside in asides)
            Walk(aside);
    }

    /// <summary>The text of a paragraph, and its number, which is counted.</summary>
    private (string Text, string Marker, int? Level) Read(XElement paragraph, List<XElement> asides)
    {
        var properties = paragraph.Child("pPr");
        var styleId = properties.Child("pStyle").Val();
        var text = new StringBuilder();
        Append(paragraph, styleId, text, asides);
        var mark = properties.Child("rPr");
        if (IsDeleted(mark) || (string.IsNullOrWhiteSpace(text.ToString()) && _styles.IsLeftOut(mark, styleId)))
            return (text.ToString(), "", null);
        return _numbering.Find(properties, styleId) is var (list, level)
            ? (text.ToString(), _numbering.Next(list, level), level) : (text.ToString(), "", null);
    }

    private static bool IsDeleted(XElement? mark) => mark.Child("del") is not null || mark.Child("moveFrom") is not null;

    private string TakeCarried()
    {
        var text = _carried.ToString();
        _carried.Clear();
        return text;
    }

    private void FlushCarried() => _builder.Add(BlockKind.Paragraph, TakeCarried());

    private void Add(XElement table, List<XElement> asides)
    {
        FlushCarried();
        var grid = new TableGrid();
        AddRows(table);
        grid.WriteTo(_builder);
        foreach (var aside in asides)
            Walk(aside);

        void AddRows(XElement parent)
        {
            foreach (var child in parent.Elements())
            {
                _cancellationToken.ThrowIfCancellationRequested();
                if (child.LocalName() == "tr")
                    AddRow(grid, child, asides);
                else if (child.LocalName() is "sdt" or "sdtContent" or "customXml" or "ins" or "moveTo")
                    AddRows(child);
            }
        }
    }

    private void AddRow(TableGrid grid, XElement row, List<XElement> asides)
    {
        var properties = row.Child("trPr");
        if (properties.Child("del") is not null || properties.Child("hidden").Toggle() == true)
            return;
        grid.BeginRow(properties.Child("tblHeader").Toggle() == true);
        grid.Skip(properties.Child("gridBefore").Number() ?? 0);
        AddCells(row);
        grid.EndRow();

        void AddCells(XElement parent)
        {
            foreach (var child in parent.Elements())
            {
                if (child.LocalName() == "tc")
                    AddCell(child);
                else if (child.LocalName() is "sdt" or "sdtContent" or "customXml" or "ins" or "moveTo")
                    AddCells(child);
            }
        }

        void AddCell(XElement cell)
        {
            var format = cell.Child("tcPr");
            if (format.Child("cellDel") is not null)
                return;
            int columns = format.Child("gridSpan").Number() ?? 1;
            bool below = format.Child("vMerge") is { } vertical && vertical.Val() is null or "continue" or "cont";
            bool beside = format.Child("hMerge") is { } horizontal && horizontal.Val() is null or "continue" or "cont";
            var text = new StringBuilder();
            AppendCell(cell, text, asides);
            if (beside)
                grid.AddBeside(columns);
            else if (below)
                grid.AddBelow(columns);
            else
                grid.Add(text.ToString(), columns, isLabel: IsBold(cell));
        }
    }

    /// <summary>Whether all text of a cell is bold by itself.</summary>
    private static bool IsBold(XElement cell)
        => cell.Named("r").Where(run => !string.IsNullOrWhiteSpace(run.Child("t")?.Value)).ToList() is { Count: > 0 } runs
            && runs.TrueForAll(run => run.Child("rPr").Child("b").Toggle() == true);

    /// <summary>The paragraphs of a cell in one line, those of tables inside it too.</summary>
    private void AppendCell(XElement parent, StringBuilder text, List<XElement> asides)
    {
        foreach (var child in parent.Elements())
        {
            switch (child.LocalName())
            {
                case "p":
                    var boxes = new List<XElement>();
                    var (own, marker, _) = Read(child, boxes);
                    if (!string.IsNullOrWhiteSpace(own))
                        text.Append(text.Length > 0 ? " " : "").Append(marker).Append(own.Trim());
                    foreach (var box in boxes)
                    {
                        if (box.LocalName() == "txbxContent")
                            AppendCell(box, text, asides);
                        else
                            asides.Add(box);
                    }

                    break;
                case "tbl" or "tr" or "tc" or "sdt" or "sdtContent" or "customXml" or "ins" or "moveTo":
                    AppendCell(child, text, asides);
                    break;
                case "AlternateContent" when child.Alternative() is { } shown:
                    AppendCell(shown, text, asides);
                    break;
            }
        }
    }

    private void Append(XElement parent, string? style, StringBuilder text, List<XElement> asides)
    {
        foreach (var child in parent.Elements())
        {
            if (child.IsMath())
            {
                AppendMath(child, text);
                continue;
            }

            switch (child.LocalName())
            {
                case "r":
                    AppendRun(child, style, text, asides);
                    break;
                case "hyperlink" or "smartTag" or "customXml" or "sdt" or "sdtContent" or "ins" or "moveTo" or "fldSimple" or "dir" or "bdo"
                    or "rubyBase":
                    Append(child, style, text, asides);
                    break;
                case "ruby":
                    Append(child, style, text, asides);
                    break;
                case "AlternateContent" when child.Alternative() is { } shown:
                    Append(shown, style, text, asides);
                    break;
            }
        }
    }

    private void AppendMath(XElement math, StringBuilder text)
    {
        if (_fields.Contains(true))
            return;
        if (math.LocalName() != "oMathPara")
        {
            text.Append(OfficeMath.Linear(math));
            return;
        }

        // Equations that are set apart have lines of their own.
        if (text.Length > 0 && text[^1] != '\n')
            text.Append('\n');
        text.AppendJoin('\n', math.Children("oMath").Select(OfficeMath.Linear));
        if (math.ElementsAfterSelf().Any())
            text.Append('\n');
    }

    private void AppendRun(XElement run, string? style, StringBuilder text, List<XElement> asides)
    {
        var properties = run.Child("rPr");
        bool isLeftOut = _styles.IsLeftOut(properties, style);
        bool raised = properties.Child("vertAlign").Val() == "superscript";
        var fonts = properties.Child("rFonts");
        var font = (fonts.Attr("ascii") ?? fonts.Attr("hAnsi")) is { } name && SymbolFonts.IsSymbolic(name) ? name : null;
        AppendParts(run);

        void AppendParts(XElement parent)
        {
            foreach (var part in parent.Elements())
            {
                if (part.LocalName() == "fldChar")
                    Follow(part, isLeftOut ? null : text);
                else if (!isLeftOut && !_fields.Contains(true))
                    AppendPart(part);
            }
        }

        void AppendPart(XElement part)
        {
            switch (part.LocalName())
            {
                case "t":
                    if (raised && text.Length > 0 && LinearText.WouldJoinNumber(text[^1], part.Value))
                        text.Append('^');
                    text.Append(font is null ? part.Value : SymbolFonts.Text(font, part.Value));
                    break;
                case "tab" or "ptab":
                    text.Append('\t');
                    break;
                case "br" or "cr":
                    text.Append('\n');
                    break;
                case "noBreakHyphen":
                    text.Append('-');
                    break;
                case "sym":
                    text.Append(SymbolFonts.Character(part.Attr("font"), part.Attr("char")));
                    break;
                case "ruby":
                    Append(part, style, text, asides);
                    break;
                case "footnoteReference" or "endnoteReference":
                    // Each note once, whatever refers to it, itself included.
                    if (_notes.Remove(part.LocalName()[..^"Reference".Length] + part.Attr("id"), out var note))
                    {
                        FindBrokenFields(note);
                        asides.Add(note);
                    }

                    break;
                case "drawing" or "pict" or "object":
                    AddBoxes(part, asides);
                    break;
                case "AlternateContent" when part.Alternative() is { } shown:
                    AppendParts(shown);
                    break;
            }
        }
    }

    /// <summary>The outermost text boxes of a drawing, each in the form that is shown.</summary>
    private static void AddBoxes(XElement drawing, List<XElement> asides)
    {
        foreach (var child in drawing.Elements())
        {
            if (child.LocalName() == "txbxContent")
                asides.Add(child);
            else if (child.LocalName() == "AlternateContent")
                AddBoxes(child.Alternative() ?? child, asides);
            else
                AddBoxes(child, asides);
        }
    }

    /// <summary>Keeps track of fields: between their begin and their separator stands their code, after it what is shown.</summary>
    private void Follow(XElement mark, StringBuilder? text)
    {
        if (_brokenFields.Contains(mark))
            return;
        switch (mark.Attr("fldCharType"))
        {
            case "begin":
                // The elements of old forms draw themselves.
                var form = mark.Child("ffData");
                if (form.Child("checkBox") is { } box)
                    text?.Append((box.Child("checked") ?? box.Child("default")).Toggle() == true ? '☒' : '☐');
                else if (form.Child("ddList") is { } choices)
                    text?.Append(choices.Children("listEntry").ElementAtOrDefault(
                        (choices.Child("result") ?? choices.Child("default")).Number() ?? 0).Val());
                _fields.Push(true);
                break;
            case "separate" when _fields.TryPop(out _):
                _fields.Push(false);
                break;
            case "end":
                _fields.TryPop(out _);
                break;
        }
    }
}
