namespace Kotonoha.LocalModel.Tokenizers.Patterns;

/// <summary>How much a repetition takes.</summary>
internal enum RegexGreed
{
    /// <summary>As much as possible, and gives back.</summary>
    Greedy,

    /// <summary>As little as possible.</summary>
    Lazy,

    /// <summary>As much as possible, and gives nothing back.</summary>
    Possessive,
}
