using System.Runtime.CompilerServices;
using System.Text;

namespace Kotonoha.LocalModel.Tensors;

/// <summary>The message of a failed check, put together only when the check failed: a check that holds allocates nothing.</summary>
[InterpolatedStringHandler]
internal ref struct CheckMessage
{
    private readonly StringBuilder? _text;

    public CheckMessage(int literalLength, int formattedCount, bool condition, out bool wanted)
    {
        wanted = !condition;
        _text = wanted ? new StringBuilder(literalLength + formattedCount * 8) : null;
    }

    public readonly void AppendLiteral(string literal) => _text!.Append(literal);

    public readonly void AppendFormatted(string? value) => _text!.Append(value);

    public readonly void AppendFormatted(int value) => _text!.Append(value);

    public readonly void AppendFormatted(Tensor value) => _text!.Append(value.ToString());

    public override readonly string ToString() => _text?.ToString() ?? "";
}
