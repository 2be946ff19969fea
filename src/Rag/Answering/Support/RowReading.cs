namespace Kotonoha.Rag.Answering.Support;

/// <summary>A row of a table as support: its first cell says of what, its header says in which respect.</summary>
internal sealed class RowReading
{
    private static readonly HashSet<string> Nothing =
        new(["none", "no", "0", "-", "–", "—", "なし", "無し", "無", "不可", "×"], StringComparer.OrdinalIgnoreCase);

    private static readonly HashSet<string> Yes = new(["yes", "✓", "✔", "○", "◯", "あり", "有", "可"], StringComparer.OrdinalIgnoreCase);

    private readonly List<string> _texts;
    private readonly List<List<Item>> _headers, _cells;

    internal RowReading(PassageSentence row, Func<string, ReadSentence> read)
    {
        _texts = Passage.Cells(row.Normalized);
        _cells = [.. Passage.Cells(row.Normalized).Select(cell => read(cell).Items.ToList())];
        _headers = [.. Passage.Cells((row.Header ?? "").Replace('/', ' ')).Select(cell => read(cell).Items.ToList())];
    }

    /// <summary>Whether a statement says what the row says.</summary>
    /// <param name="claim">The statement.</param>
    /// <param name="context">What holds for the whole passage.</param>
    internal bool Supports(Statement claim, IReadOnlyList<Item> context)
    {
        if ((claim.Operators & ~(Operators.Possible | Operators.All | Operators.Negation)) != Operators.None || claim.IsRestriction)
            return false;
        bool denies = claim.Operators.HasFlag(Operators.Negation);
        if (denies && !_cells.Where((cell, i) => i > 0 && IsNone(i) && IsNamed(claim, i)).Any())
            return false;
        var key = _cells[0].Where(item => item.Kind != ItemKind.Word).ToList();
        if (!(key.Count > 0 ? key : _cells[0]).TrueForAll(item => claim.Items.Exists(said => Entailment.IsSame(said, item))))
            return false;
        int unknown = 0, said = 0;
        foreach (var item in claim.Items)
        {
            var columns = Enumerable.Range(0, _cells.Count).Where(i => _cells[i].Exists(cell => Fits(item, cell, i))).ToList();
            if (columns.Count > 0)
            {
                if (columns.Contains(0))
                    continue;
                said++;
                // A value stands for what its own column is about, and for no other.
                if (!columns.Exists(column => IsNamed(claim, column) || (item.Kind == ItemKind.Name && item.Marker.Length > 0)
                    || !claim.Items.Exists(other => Headed(other).Any(head => head != column && head != 0))))
                    return false;
                if (!columns.Exists(column => IsNamed(claim, column)) && item.Kind == ItemKind.Number
                    && item.Quantity!.Dimension.Length == 0)
                    return false;
            }
            else if (!Headed(item).Any() && !context.Any(other => Entailment.IsSame(item, other)))
            {
                // One word that the table does not hold may join what it holds: "takes", "costs", 利用料金.
                if (item.Kind != ItemKind.Word || item.IsSubject || ++unknown > 1)
                    return false;
            }
        }

        // "Bicycles: yes".
        return said > 0 || denies || Enumerable.Range(1, _cells.Count - 1).Any(i => Yes.Contains(_texts[i]) && IsNamed(claim, i));
    }

    private bool Fits(Item said, Item cell, int column)
    {
        if (Entailment.IsSame(said, cell))
            return true;
        // "Cars | 36": the header holds the unit.
        return said.Quantity is { } number && cell.Quantity is { } given && number.Bound == given.Bound && given.Dimension.Length == 0
            && number.Written == given.Value && column > 0;
    }

    private bool IsNone(int column) => Nothing.Contains(_texts[column]);

    private bool IsNamed(Statement claim, int column)
        => column < _headers.Count && _headers[column].Exists(head => claim.Items.Exists(said => SameRoot(said, head)));

    private IEnumerable<int> Headed(Item item)
        => Enumerable.Range(0, _headers.Count).Where(i => _headers[i].Exists(head => SameRoot(item, head)));

    private static bool SameRoot(Item said, Item head)
        => Entailment.IsSame(said, head) || (said.Kind != ItemKind.Number && head.Kind != ItemKind.Number
            && EnglishStemmer.Stem(said.Key) == EnglishStemmer.Stem(head.Key));
}
