using System.Text;
using Kotonoha.Foundation;

namespace Kotonoha.Rag.Stores;

/// <summary>Reads a <see cref="StoreFilter"/> from its written form by recursive descent: or, and, not, a term or parentheses.</summary>
internal sealed class FilterParser(string text)
{
    private const int MaxDepth = 64;
    private const string Allowed = "A filter is made of tag:NAME and source:FOLDER-OR-DOCUMENT, joined by and, or, not and parentheses; "
        + "tag:a,b stands for one of the two, and a name with spaces or commas stands in double quotes";

    private int _at;
    private int _depth;

    public StoreFilter Parse()
    {
        var filter = Or();
        return _at == text.Length ? filter : throw Wrong("'and' or 'or' is missing");
    }

    private StoreFilter Or() => Joined("or", And, parts => new StoreFilter { AnyOf = parts });

    private StoreFilter And() => Joined("and", Not, parts => new StoreFilter { AllOf = parts });

    private static StoreFilter One(List<StoreFilter> parts, Func<List<StoreFilter>, StoreFilter> join)
        => parts.Count == 1 ? parts[0] : join(parts);

    private StoreFilter Joined(string word, Func<StoreFilter> next, Func<List<StoreFilter>, StoreFilter> join)
    {
        var parts = new List<StoreFilter> { next() };
        while (Takes(word))
            parts.Add(next());
        return One(parts, join);
    }

    private StoreFilter Not()
    {
        if (++_depth > MaxDepth)
            throw Wrong($"more than {MaxDepth} levels");
        StoreFilter filter;
        if (Takes("not"))
            filter = new StoreFilter { NoneOf = [Not()] };
        else if (TakesSign('('))
            filter = TakesSignAfter(Or(), ')');
        else
            filter = Term();
        _depth--;
        return filter;
    }

    private StoreFilter TakesSignAfter(StoreFilter filter, char sign)
        => TakesSign(sign) ? filter : throw Wrong($"'{sign}' is missing");

    private StoreFilter Term()
    {
        int start = _at;
        while (_at < text.Length && char.IsAsciiLetter(text[_at]))
            _at++;
        var field = text[start.._at];
        if (field.Length == 0)
            throw Wrong(_at == text.Length ? "something is missing at the end" : $"'{text[_at]}' begins no condition");
        if (!TakesSign(':'))
            throw Wrong(field is "tag" or "source" ? $"'{field}' takes a colon and a name" : Unknown(field));
        Func<string, StoreFilter> of = field switch
        {
            "tag" => name => new StoreFilter(Tags: [name]),
            "source" => name => name.Trim('/').Length > 0
                ? new StoreFilter(name) : throw Wrong($"'{name}' names no document and no folder"),
            _ => throw Wrong(Unknown(field)),
        };
        var names = new List<StoreFilter>();
        do
            names.Add(of(Name()));
        while (TakesSign(','));
        return One(names, parts => new StoreFilter { AnyOf = parts });
    }

    private static string Unknown(string field)
        => $"there is no '{field}': a document has a source and tags, which are compared as texts";

    private string Name()
    {
        Spaces();
        var name = new StringBuilder();
        if (_at < text.Length && text[_at] == '"')
        {
            for (_at++; _at < text.Length && text[_at] != '"'; _at++)
                name.Append(text[_at]);
            if (_at++ == text.Length)
                throw Wrong("the closing quotation mark is missing");
        }
        else
        {
            while (_at < text.Length && !char.IsWhiteSpace(text[_at]) && text[_at] is not (',' or '(' or ')' or '"'))
                name.Append(text[_at++]);
        }

        return name.Length > 0 ? name.ToString() : throw Wrong("a name is missing");
    }

    private bool Takes(string word)
    {
        Spaces();
        int end = _at + word.Length;
        if (end > text.Length || !text.AsSpan(_at, word.Length).Equals(word, StringComparison.OrdinalIgnoreCase)
            || (end < text.Length && !char.IsWhiteSpace(text[end]) && text[end] != '('))
            return false;
        _at = end;
        Spaces();
        return true;
    }

    private bool TakesSign(char sign)
    {
        Spaces();
        if (_at >= text.Length || text[_at] != sign)
            return false;
        _at++;
        Spaces();
        return true;
    }

    private void Spaces()
    {
        while (_at < text.Length && char.IsWhiteSpace(text[_at]))
            _at++;
    }

    private KotonohaException Wrong(string what)
        => new($"The filter '{text}' cannot be read at character {Math.Min(_at, text.Length) + 1}: {what}. {Allowed}.");
}
