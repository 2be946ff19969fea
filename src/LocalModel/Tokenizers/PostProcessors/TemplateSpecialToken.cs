namespace Kotonoha.LocalModel.Tokenizers.PostProcessors;

/// <summary>What a special token of a template stands for: one or more tokens.</summary>
internal sealed record TemplateSpecialToken(string Name, int[] Ids, string[] Tokens);
