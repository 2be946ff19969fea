namespace Kotonoha.LocalModel.Tokenizers.Patterns;

/// <summary>What an instruction of a compiled pattern does.</summary>
internal enum RegexOperation
{
    /// <summary>Takes one code point of a set.</summary>
    Set,

    /// <summary>Takes code points of a set, between two numbers of them.</summary>
    RepeatSet,

    /// <summary>Goes on at one place, and if that fails at another.</summary>
    Split,

    /// <summary>Goes on at another place.</summary>
    Jump,

    /// <summary>Checks a condition on the place.</summary>
    Anchor,

    /// <summary>Runs a part by itself and keeps its first match.</summary>
    Atomic,

    /// <summary>Runs a part by itself as a condition on what follows.</summary>
    LookAhead,

    /// <summary>Runs a part by itself as a condition on what stands before.</summary>
    LookBehind,

    /// <summary>Notes where an iteration starts.</summary>
    IterationStart,

    /// <summary>Leaves the loop after an iteration that took nothing.</summary>
    IterationEnd,

    /// <summary>The end of the pattern or of a part that is run by itself.</summary>
    End,
}
