using System.Text.RegularExpressions;

namespace Kotonoha.Rag.Answering.Support;

/// <summary>A passage taken apart into statements, in the language that it is written in.</summary>
internal sealed partial class PassageReading
{
    private readonly Passage _passage;
    private readonly HashSet<string> _names;
    private readonly ReadSentence[] _sentences;
    private readonly List<Item> _context;
    private readonly Dictionary<string, List<Item>> _underHeading = new(StringComparer.Ordinal);
    private readonly RowReading?[] _rows;
    private readonly bool _isJapanese, _isEnglish, _hasRowsOnly;

    internal PassageReading(Passage passage)
    {
        _passage = passage;
        var text = string.Join('\n', passage.Sentences.Select(sentence => sentence.Normalized));
        _isJapanese = JapaneseReader.IsJapanese(text) || passage.Sentences.Any(row => JapaneseReader.IsJapanese(row.Header ?? ""));
        _isEnglish = !_isJapanese && EnglishTokens.IsEnglish(text);

        // A table alone has no words of grammar; then the claim's own language counts.
        _hasRowsOnly = !_isJapanese && passage.Sentences.All(sentence => sentence.IsRow);
        _names = [.. EnglishTokens.NamesIn(text)];
        _sentences = [.. passage.Sentences.Select(sentence => sentence.IsRow ? new ReadSentence([]) : Read(sentence.Normalized, _names))];
        ReadLists();
        _rows = [.. passage.Sentences.Select(sentence => sentence.IsRow ? new RowReading(sentence, each => Read(each, _names)) : null)];
        foreach (var row in _rows.OfType<RowReading>())
            row.StandAmong(_rows.OfType<RowReading>());
        _context = [.. passage.ContextLines.SelectMany(line => Read(line, _names).Items)];
        if (_sentences.Length > 0)
        {
            // The first sentence says what the passage is about; one without a predicate is a title.
            bool isTitle = _sentences[0].Statements.All(statement => !statement.HasPredicate);
            _context.AddRange(_sentences[0].Items.Where(item => item.Kind == ItemKind.Name || isTitle
                || (_isJapanese && item is { Kind: ItemKind.Word, IsSubject: true })));
            _context.AddRange(InQuotes(passage.Sentences[0].Normalized));
        }

        foreach (var heading in passage.Sentences.Select(sentence => sentence.Heading).OfType<string>().Distinct(StringComparer.Ordinal))
            _underHeading[heading] = [.. _context, .. Read(heading, _names).Items, .. InQuotes(heading)];
    }

    private IEnumerable<Item> InQuotes(string text)
        => Quoted().Matches(text).SelectMany(quoted => Read(quoted.Groups[1].Value, _names).Items);

    // What is said around a sentence: the document's title and headings, and the line above it that stands for a heading.
    private List<Item> ContextOf(int sentence)
        => _passage.Sentences[sentence].Heading is { } heading ? _underHeading[heading] : _context;

    // An item is said of what leads in to its list; plain items may be said together.
    private void ReadLists()
    {
        var own = _sentences.ToArray();
        foreach (var list in Enumerable.Range(0, own.Length).Where(i => _passage.Sentences[i].LeadIn is not null)
            .GroupBy(i => _passage.Sentences[i].LeadIn!.Value))
        {
            var lead = own[list.Key];
            bool isPlain = list.All(i => own[i].Items.All(item => item.Kind != ItemKind.Number && item.Marker.Length == 0)
                && own[i].Statements.Count == 1 && !_passage.Sentences[i].Normalized.Contains(':', StringComparison.Ordinal));
            foreach (int i in list)
                _sentences[i] =
                    new ReadSentence(
                        [.. own[i].Statements, Joined(lead, [own[i]]), .. isPlain
                            ? [Joined(lead, [.. list.Select(each => own[each])])]
                            : Array.Empty<Statement>()]);
        }
    }

    private static Statement Joined(ReadSentence lead, IReadOnlyList<ReadSentence> items) => new()
    {
        Items = [.. lead.Items.Select(item => item with { IsSubject = false }), .. items.SelectMany(item => item.Items)
            .Select(item => item with { IsSubject = false })],
        Operators = lead.Statements.Concat(items.SelectMany(item => item.Statements))
            .Aggregate(Operators.None, (all, each) => all | each.Operators),
        IsUnordered = lead.Statements.Any(statement => statement.IsUnordered),
    };

    /// <summary>The statements of a sentence in the passage's language; null where that is not one that is read.</summary>
    internal ReadSentence? ReadClaim(string text)
    {
        if (_isJapanese)
            return JapaneseReader.IsJapanese(text) ? Read(text, _names) : null;
        return _isEnglish || (_hasRowsOnly && EnglishTokens.IsEnglish(text))
            ? Read(text, new HashSet<string>(_names.Concat(EnglishTokens.NamesIn(text)), StringComparer.Ordinal))
            : null;
    }

    /// <summary>The keys of a text's words.</summary>
    internal IReadOnlySet<string> KeysOf(string text)
        => Read(text, _names).Items.Select(item => item.Key).ToHashSet(StringComparer.Ordinal);

    /// <summary>Whether the sentence behind one says what it does not hold for: "ただし、…を除く。", "This does not apply to …".</summary>
    internal bool IsLimitedBehind(int sentence)
        => sentence + 1 < _sentences.Length && (Limit().IsMatch(_passage.Sentences[sentence + 1].Normalized)
            || _sentences[sentence + 1].Statements is [{ IsRestriction: true } only] && only.Operators.HasFlag(Operators.Exception));

    [GeneratedRegex(@"この限り(?:で|に)(?:は)?(?:ない|ありません|あらず)|^\W*(?:this|these|that|the above)(?: \p{L}+)? (?:does|do) not apply"
        + @"|^\W*(?:ただし|但し)[^。]*(?:を除く|以外)", RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex Limit();

    /// <summary>The numbers of the sentences, those near a given one first.</summary>
    internal IEnumerable<int> Order(int? near)
        => near is { } at ? Enumerable.Range(0, _sentences.Length).OrderBy(i => Math.Abs(i - at)) : Enumerable.Range(0, _sentences.Length);

    /// <summary>Whether a statement follows from a sentence or row.</summary>
    internal bool Follows(Entailment entailment, Statement claim, int sentence)
    {
        if (_passage.Sentences[sentence].IsQuestion || IsLimitedBehind(sentence))
            return false;
        if (_rows[sentence] is { } row)
            return row.Supports(claim, ContextOf(sentence), entailment.Asked);
        return entailment.Follows(claim, new SupportingSentence(_sentences[sentence],
            _sentences[Math.Max(0, sentence - Entailment.SentencesBack)..sentence], ContextOf(sentence)));
    }

    [GeneratedRegex("「([^」]{1,30})」")]
    private static partial Regex Quoted();

    // What stands in brackets is said of the words before them, and of nothing else in the sentence.
    private ReadSentence Read(string text, IReadOnlySet<string> names)
    {
        var asides = Aside().Matches(text);
        if (asides.Count == 0)
            return Take(text, names);
        var statements = new List<Statement>(Take(Aside().Replace(text, "${head}"), names).Statements);
        foreach (Match match in asides)
        {
            var (head, inside) = (Take(match.Groups["head"].Value, names), Take(match.Groups["in"].Value, names));
            if (!head.Items.Any() || !inside.Items.Any())
                continue;
            // "80 euros (without tax)": what stands behind an amount says how far it holds, unless it is another amount or a day.
            if (head.Items.FirstOrDefault(item => item.Quantity is { Dimension: not ("" or "date" or "clock") }) is { } amount
                && !inside.Items.Any(item => item.Quantity is { } other
                    && (other.IsOfKind(amount.Quantity!) || (other.IsMoney && amount.Quantity!.IsMoney))))
                foreach (var statement in statements.FindAll(each => each.Items.Exists(item => Entailment.IsSame(item, amount))))
                    statement.Restrictions.AddRange(inside.Statements);
            var aside = Joined(head, [inside]);
            aside.IsAside = true;
            statements.Add(aside);
        }

        return new ReadSentence(statements);
    }

    private ReadSentence Take(string text, IReadOnlySet<string> names)
        => _isJapanese ? JapaneseReader.Read(text) : EnglishReader.Read(text, names);

    [GeneratedRegex(@"(?<head>[£$€¥]?\d[\d,.]*(?: \p{L}+)?|[一-龥々ァ-ヴーA-Za-z\d,.-]{1,30}|\p{Lu}[\p{L}'’-]*(?: \p{Lu}[\p{L}'’-]*){0,3}"
        + @"|[\p{L}'’-]+)\s?[(（](?<in>[^()（）]{1,80})[)）]")]
    private static partial Regex Aside();
}
