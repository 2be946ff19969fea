namespace Kotonoha.LocalModel.Tokenizers.Patterns;

/// <summary>Where a pattern matches, in UTF-16 units.</summary>
/// <param name="Start">The first unit.</param>
/// <param name="End">The unit behind the last.</param>
internal readonly record struct RegexMatch(int Start, int End);
