using System.Globalization;
using System.Runtime.InteropServices;
using Kotonoha.Grammars.Automaton;

namespace Kotonoha.Grammars;

/// <summary>
/// Follows one sequence of tokens through a grammar: says which tokens may come next, and takes the one that came. Not thread-safe; one per
/// sequence. Any number of matchers may share a <see cref="Grammar"/> and a <see cref="TokenVocabulary"/>.
/// </summary>
/// <remarks>
/// With a budget the text is always complete within so many tokens: tokens after which the rest would no longer fit are not allowed. End
/// tokens do not count, for a complete text may stand without one.
/// </remarks>
public sealed class GrammarMatcher
{
    private readonly TokenVocabulary _vocabulary;
    private readonly CompiledGrammar _compiled;
    private readonly int[] _endTokens;

    // The tokens of a rest that is known to fit; kept while they are followed.
    private readonly List<int> _plan = [];
    private readonly MemberNames? _names;
    private State _state;
    private bool _goesOn;
    private bool _first = true;
    private Choices? _allowed;

    /// <summary>Begins a text.</summary>
    /// <param name="grammar">What the text must be.</param>
    /// <param name="vocabulary">The tokens that it is made of.</param>
    /// <param name="budget">The most tokens that it may take, an end token not counted; null for any number.</param>
    /// <param name="endTokens">The tokens that end it, instead of the vocabulary's own; null for those.</param>
    /// <exception cref="GrammarException">The vocabulary cannot spell any text of the grammar, or the shortest takes more tokens than the
    /// budget.</exception>
    public GrammarMatcher(Grammar grammar, TokenVocabulary vocabulary, int? budget = null, IReadOnlyList<int>? endTokens = null)
    {
        ArgumentNullException.ThrowIfNull(grammar);
        ArgumentNullException.ThrowIfNull(vocabulary);
        if (budget is { } limit)
            ArgumentOutOfRangeException.ThrowIfNegative(limit, nameof(budget));
        _vocabulary = vocabulary;
        _compiled = vocabulary.Compiled(grammar);
        _endTokens = [.. endTokens ?? vocabulary.EndTokens];
        RemainingBudget = budget;
        lock (_compiled.Lock)
        {
            _state = _compiled.Automaton.Start;
            _names = _compiled.Automaton.HasFreeNames ? new MemberNames() : null;
            _goesOn = _compiled.GoesOn(_state);
            if (!_compiled.TrySpell(_state, first: true, _plan))
                throw new GrammarException(GrammarError.NotSpellable,
                    "The vocabulary cannot spell any text of the grammar: it lacks tokens for some characters or control tokens, or "
                        + "every text is longer than a million bytes.");
            if (_plan.Count > budget)
                throw new GrammarException(GrammarError.BudgetTooSmall, string.Create(CultureInfo.InvariantCulture,
                    $"The shortest text of the grammar takes {_plan.Count} tokens, but only {budget} may be generated. Raise "
                        + $"MaxOutputTokens, or ask for less (fewer required properties, shorter bounds)."));
        }
    }

    /// <summary>The tokens that may still come; null for any number.</summary>
    public int? RemainingBudget { get; private set; }

    /// <summary>The text so far is a text of the grammar.</summary>
    public bool IsComplete => _state.IsComplete;

    /// <summary>The text is complete, and nothing may follow under the grammar.</summary>
    public bool IsAtEnd => _state.IsComplete && !_goesOn;

    /// <summary>More tokens may come: neither the grammar nor the budget is at its end.</summary>
    public bool CanContinue => !HasEnded && _goesOn && RemainingBudget != 0;

    /// <summary>An end token came.</summary>
    public bool HasEnded { get; private set; }

    /// <summary>
    /// The tokens in which the text can surely be completed; 0 when it is complete. It is the shortest completion in bytes, spelled with as
    /// few tokens as possible; a longer one may need fewer.
    /// </summary>
    public int ShortestCompletion
    {
        get
        {
            lock (_compiled.Lock)
                return Shortest();
        }
    }

    /// <summary>Sets the bits of the tokens that may come next, and clears all others.</summary>
    /// <param name="mask">One bit for each token, in ascending order from the lowest bit of the first word; at least as many as the
    /// vocabulary has.</param>
    public void Mask(Span<ulong> mask)
    {
        if (mask.Length < (_vocabulary.Size + 63) / 64)
            throw new ArgumentException(
                $"The mask has {mask.Length} words; the vocabulary of {_vocabulary.Size} needs {(_vocabulary.Size + 63) / 64}.",
                nameof(mask));
        mask.Clear();
        var allowed = Allowed();
        allowed.Set?.AddTo(mask);
        allowed.Further?.AddTo(mask);
        if (allowed.Planned >= 0)
            mask[allowed.Planned >> 6] |= 1UL << (allowed.Planned & 63);
        if (allowed.Ends)
            foreach (int id in _endTokens)
                mask[id >> 6] |= 1UL << (id & 63);
        foreach (int id in allowed.Repeating)
            mask[id >> 6] &= ~(1UL << (id & 63));
    }

    /// <summary>Sets the scores of all tokens that may not come next to minus infinity.</summary>
    /// <param name="logits">One score a token; scores beyond the vocabulary's size are removed too.</param>
    public void Apply(Span<float> logits)
    {
        if (logits.Length < _vocabulary.Size)
            throw new ArgumentException($"There are {logits.Length} scores; the vocabulary has {_vocabulary.Size} tokens.", nameof(logits));
        var allowed = Allowed();
        var further = new List<int>();
        allowed.Further?.AddTo(further);
        if (allowed.Planned >= 0)
            further.Add(allowed.Planned);
        if (allowed.Ends)
            further.AddRange(_endTokens);
        (allowed.Set ?? TokenSet.Empty).Apply(logits, CollectionsMarshal.AsSpan(further));
        foreach (int id in allowed.Repeating)
            logits[id] = float.NegativeInfinity;
    }

    /// <summary>Whether a token may come next.</summary>
    /// <param name="id">The token.</param>
    public bool Allows(int id)
    {
        var allowed = Allowed();
        return ((allowed.Set?.Contains(id) == true || allowed.Further?.Contains(id) == true || allowed.Planned == id)
            && !allowed.Repeating.Contains(id)) || (allowed.Ends && _endTokens.AsSpan().Contains(id));
    }

    /// <summary>Takes a token.</summary>
    /// <param name="id">A token that the mask allows.</param>
    /// <exception cref="GrammarException">The token may not come here.</exception>
    public void Accept(int id)
    {
        if (!Allows(id))
            throw new GrammarException(GrammarError.TokenNotAllowed, $"Token {id} may not come here; choose among those of the mask.");
        _allowed = null;
        if (_state.IsComplete && _endTokens.AsSpan().Contains(id))
        {
            HasEnded = true;
            return;
        }

        lock (_compiled.Lock)
        {
            _state = _compiled.After(_state, id, _first, _names);
            _goesOn = _compiled.GoesOn(_state);
        }

        _first = false;
        if (_plan.Count > 0 && _plan[0] == id)
            _plan.RemoveAt(0);
        else
            _plan.Clear();
        RemainingBudget--;
    }

    private int Shortest()
    {
        if (_state.IsComplete)
            return 0;
        if (_plan.Count == 0)
        {
            if (_names is null)
                _compiled.TrySpell(_state, _first, _plan);
            else
                _compiled.TrySpellNewName(_state, _first, _names, _plan);
        }

        return _plan.Count;
    }

    private Choices Allowed() => _allowed ??= FindAllowed();

    private Choices FindAllowed()
    {
        bool ends = _state.IsComplete && !HasEnded;
        if (!CanContinue)
            return new Choices(null, null, -1, [], ends);
        lock (_compiled.Lock)
        {
            var next = _compiled.Next(_state, _first);
            var repeating = _names is null ? [] : _compiled.Repeating(_state, _first, _names);
            int reserve = 1 + (_names is null ? 0 : CompiledGrammar.TokensToRename);
            if (RemainingBudget is not { } budget || next.LongestRest <= budget - reserve)
                return new Choices(next.Tokens, null, -1, repeating, ends);
            var (inside, outside) = _compiled.Within(_state, _first, budget - reserve);
            Shortest();
            return new Choices(inside, outside, _plan.Count > 0 ? _plan[0] : -1, repeating, ends);
        }
    }

    /// <summary>The tokens that may come.</summary>
    /// <param name="Set">Most of them.</param>
    /// <param name="Further">More of them; few as a rule.</param>
    /// <param name="Planned">The one that leads to the shortest completion; -1 where it need not be named.</param>
    /// <param name="Repeating">Those of them that may not come after all, since they would give an object a name that it has.</param>
    /// <param name="Ends">Whether end tokens may come.</param>
    private readonly record struct Choices(TokenSet? Set, TokenSet? Further, int Planned, List<int> Repeating, bool Ends);
}
