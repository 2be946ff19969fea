namespace Kotonoha.LocalModel.Tokenizers;

/// <summary>An added token found in a text.</summary>
/// <param name="Token">The token.</param>
/// <param name="Start">The first unit, swallowed white space included.</param>
/// <param name="End">One after the last unit, swallowed white space included.</param>
internal readonly record struct AddedTokenMatch(AddedToken Token, int Start, int End);
