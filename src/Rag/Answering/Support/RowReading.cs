namespace Kotonoha.Rag.Answering.Support;

/// <summary>
/// A row of a table as support: its first cell says of what, its header says in which respect. Where several rows share their first cell,
/// the cells behind it that tell them apart belong to it.
/// </summary>
internal sealed class RowReading
{
    private static readonly HashSet<string> Nothing =
        new(["none", "no", "0", "-", "–", "—", "なし", "無し", "無", "不可", "×"], StringComparer.OrdinalIgnoreCase);

    private static readonly HashSet<string> Yes = new(["yes", "✓", "✔", "○", "◯", "あり", "有", "可"], StringComparer.OrdinalIgnoreCase);

    private readonly List<string> _texts;
    private readonly List<List<Item>> _headers, _cells;
    private readonly List<Operators> _operators;
    private readonly PassageSentence _row;
    private List<RowReading> _others = [];

    internal RowReading(PassageSentence row, Func<string, ReadSentence> read)
    {
        _row = row;
        _texts = Passage.Cells(row.Normalized);
        var cells = _texts.Select(read).ToList();
        _cells = [.. cells.Select(cell => cell.Items.ToList())];
        _operators = [.. cells.Select(cell => cell.Statements.Aggregate(Operators.None, (all, each) => all | each.Operators))];
        _headers = [.. Passage.Cells((row.Header ?? "").Replace('/', ' ')).Select(cell => read(cell).Items.ToList())];
    }

    /// <summary>Lets the row know the other ones of its table.</summary>
    internal void StandAmong(IEnumerable<RowReading> rows)
        => _others = [.. rows.Where(row => row != this && row._row.Block == _row.Block)];

    /// <summary>Whether a statement says what the row says.</summary>
    /// <param name="claim">The statement.</param>
    /// <param name="context">What holds for the whole passage.</param>
    /// <param name="asked">The keys of the question's words, by which a cell that tells rows apart counts as said.</param>
    internal bool Supports(Statement claim, IReadOnlyList<Item> context, IReadOnlySet<string> asked)
    {
        if ((claim.Operators & ~(Operators.Possible | Operators.All | Operators.Negation)) != Operators.None || claim.IsRestriction)
            return false;
        bool denies = claim.Operators.HasFlag(Operators.Negation);
        if (denies && !_cells.Where((cell, i) => i > 0 && IsNone(i) && IsNamed(claim, i)).Any())
            return false;
        var key = _cells[0].Where(item => item.Kind != ItemKind.Word).ToList();
        if (!(key.Count > 0 ? key : _cells[0]).TrueForAll(item => claim.Items.Exists(said => Entailment.IsSame(said, item))))
            return false;
        if (!KeysBehind().All(column => IsSaid(claim, column, asked)))
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

                // What a cell limits ("on request only", "planned") is more than a value.
                if (columns.TrueForAll(column => (_operators[column] & Operators.Limits & ~claim.Operators) != Operators.None))
                    return false;
                if (!columns.Exists(column => IsValueOf(claim, item, column)))
                    return false;
            }
            else if (_others.Exists(other => other.Holds(item)) && !Headed(item).Any())
            {
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

    // "Red | Monday | …" beside "Red | Thursday | …": the columns behind the first that it takes to tell the row from the others.
    private IEnumerable<int> KeysBehind()
    {
        var same = _others.Where(other => other._texts[0] == _texts[0]).ToList();
        for (int column = 1; column < _texts.Count - 1 && same.Count > 0; column++)
        {
            if (same.Exists(other => column < other._texts.Count && other._texts[column] != _texts[column]))
                yield return column;
            same.RemoveAll(other => column >= other._texts.Count || other._texts[column] != _texts[column]);
        }
    }

    private bool IsSaid(Statement claim, int column, IReadOnlySet<string> asked)
        => _cells[column].TrueForAll(cell => asked.Contains(cell.Key) || claim.Items.Exists(said => Fits(said, cell, column)));

    private bool Holds(Item item) => _cells.Exists(cell => cell.Exists(other => Entailment.IsSame(item, other)));

    // A value stands for what its own column is about, and for no other. A number could stand in any column, so its own must be named; a
    // name or a day shows by itself which it is, unless another column holds it too or is named without its own value.
    private bool IsValueOf(Statement claim, Item item, int column)
    {
        int own = Named(claim, column);
        var others = Enumerable.Range(1, Math.Max(0, _headers.Count - 1)).Where(i => i != column && Named(claim, i) > 0).ToList();
        if (KeysBehind().Contains(column))
            return true;
        if (own == 0)
            return item.Kind == ItemKind.Number
                ? others.Count == 0 && item.Quantity!.Dimension.Length > 0
                : others.TrueForAll(i => i < _cells.Count && _cells[i].Exists(cell => claim.Items.Exists(each => Fits(each, cell, i))))
                    && !_others.Exists(row => row._cells.Where((_, i) => i != column).Any(cell => cell.Exists(other
                        => Entailment.IsSame(item, other))));

        // "Exam seats" beside "Seats": the column whose header is said in full, and with most words, is the one that is meant.
        bool inFull = own == InFull(column);
        return item.Kind != ItemKind.Number || !others.Exists(i => Named(claim, i) == InFull(i)
            && (inFull ? Named(claim, i) > own && SharesHeader(i, column) : SharesHeader(i, column)));
    }

    private bool SharesHeader(int column, int other)
        => _headers[column].Exists(head => _headers[other].Exists(own => SameRoot(head, own)));

    private static bool Fits(Item said, Item cell, int column)
    {
        if (Entailment.IsSame(said, cell))
            return true;
        // "Cars | 36": the header holds the unit.
        return said.Quantity is { } number && cell.Quantity is { } given && number.Bound == given.Bound && given.Dimension.Length == 0
            && number.Written == given.Value && column > 0;
    }

    private bool IsNone(int column) => Nothing.Contains(_texts[column]);

    private bool IsNamed(Statement claim, int column) => Named(claim, column) > 0;

    // A word that is only part of the header's counts half.
    private int Named(Statement claim, int column)
        => column >= _headers.Count ? 0 : _headers[column].Sum(head => claim.Items.Exists(said => said.Key == head.Key) ? 2
            : claim.Items.Exists(said => SameRoot(said, head)) ? head.Key[0] >= '\u2E80' ? 1 : 2 : 0);

    private int InFull(int column) => 2 * _headers[column].Count;

    private IEnumerable<int> Headed(Item item)
        => Enumerable.Range(0, _headers.Count).Where(i => _headers[i].Exists(head => SameRoot(item, head)));

    private static bool SameRoot(Item said, Item head)
        => Entailment.IsSame(said, head) || (said.Kind != ItemKind.Number && head.Kind != ItemKind.Number
            && EnglishStemmer.Stem(said.Key) == EnglishStemmer.Stem(head.Key));
}
