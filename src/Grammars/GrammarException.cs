using Kotonoha.Foundation;

namespace Kotonoha.Grammars;

/// <summary>A grammar cannot be read or compiled, cannot be spelled with a vocabulary, does not fit a budget, or was left.</summary>
public sealed class GrammarException : KotonohaException
{
    internal GrammarException(GrammarError error, string message, string? place = null, Exception? inner = null)
        : base(message, inner)
        => (Error, Place) = (error, place);

    /// <summary>What went wrong.</summary>
    public GrammarError Error { get; }

    /// <summary>
    /// Where it went wrong: a JSON pointer into the schema, a position in the pattern, or a line of the GBNF text; null where there is no
    /// such place.
    /// </summary>
    public string? Place { get; }
}

/// <summary>What went wrong with a grammar.</summary>
public enum GrammarError
{
    /// <summary>The schema, pattern or GBNF text is not well-formed.</summary>
    Syntax,

    /// <summary>It uses a keyword or construct that changes what is valid and is not supported.</summary>
    Unsupported,

    /// <summary>No text satisfies it.</summary>
    Unsatisfiable,

    /// <summary>It needs more states than it may have.</summary>
    TooComplex,

    /// <summary>The vocabulary has no tokens that could spell a text of the grammar.</summary>
    NotSpellable,

    /// <summary>The shortest text has more tokens than the budget.</summary>
    BudgetTooSmall,

    /// <summary>A token was accepted that the grammar does not allow in its place.</summary>
    TokenNotAllowed,
}
