namespace Kotonoha.Cli.Models;

/// <summary>A tensor of a file.</summary>
internal sealed record TensorSummary(string Name, string Type, long[] Shape, long Count, long Bytes);
