using System.Text;

namespace Kotonoha.Agents.Prompts;

/// <summary>The text that a template renders to, which remembers for every piece where it comes from and whether it is trusted.</summary>
internal sealed class RenderedPrompt
{
    private readonly StringBuilder _text = new();
    private readonly List<Piece> _pieces = [];

    public override string ToString() => _text.ToString();

    internal void Append(string text, int sourceOffset, bool isTrusted, bool isVerbatim)
    {
        if (text.Length == 0)
            return;
        _pieces.Add(new Piece(_text.Length, sourceOffset, isTrusted, isVerbatim));
        _text.Append(text);
    }

    /// <summary>Where in the template a place of the rendered text comes from.</summary>
    internal int SourceOffset(int offset)
    {
        if (_pieces.Count == 0)
            return 0;
        var piece = _pieces[PieceAt(offset)];
        return piece.IsVerbatim ? piece.SourceOffset + offset - piece.Start : piece.SourceOffset;
    }

    /// <summary>Encodes the first character of every message tag or CDATA mark that is not written by trusted pieces alone.</summary>
    internal void EncodeForgedTags(bool inChat)
    {
        var text = _text.ToString();
        for (int at = text.Length - 1; at >= 0; at--)
        {
            int length = text[at] == '<' ? ChatMarkup.TagNameLength(text, at, inChat) : 0;
            if (length == 0 || IsTrusted(at, at + length))
                continue;
            _text.Remove(at, 1).Insert(at, "&lt;");
            const int added = 3;
            for (int i = PieceAt(at) + 1; i < _pieces.Count; i++)
                _pieces[i] = _pieces[i] with { Start = _pieces[i].Start + added };
        }
    }

    private bool IsTrusted(int start, int end)
    {
        for (int i = PieceAt(start); i < _pieces.Count && _pieces[i].Start < end; i++)
            if (!_pieces[i].IsTrusted)
                return false;
        return true;
    }

    private int PieceAt(int offset)
    {
        int low = 0, high = _pieces.Count - 1;
        while (low < high)
        {
            int middle = (low + high + 1) / 2;
            if (_pieces[middle].Start <= offset)
                low = middle;
            else
                high = middle - 1;
        }

        return low;
    }

    private readonly record struct Piece(int Start, int SourceOffset, bool IsTrusted, bool IsVerbatim);
}
