using System.Numerics;

namespace Kotonoha.LocalModel.Chat.Jinja;

/// <summary>The methods of int and float.</summary>
internal static class NumberMethods
{
    public static readonly Dictionary<string, Method> OfInt = Table(
        new Method("bit_length", "/", (_, o, _) => Numbers.Box((long)BigInteger.Abs(Numbers.ToBig(o)).GetBitLength())),
        new Method("bit_count", "/", (_, o, _) => Numbers.Box((long)BigInteger.PopCount(BigInteger.Abs(Numbers.ToBig(o))))),
        new Method("conjugate", "/", (_, o, _) => Numbers.Box(Numbers.ToBig(o))),
        new Method("as_integer_ratio", "/", (_, o, _) => new PyTuple([Numbers.Box(Numbers.ToBig(o)), Numbers.Box(1L)])));

    public static readonly Dictionary<string, Method> OfFloat = Table(
        new Method("is_integer", "/", (_, o, _) => Numbers.Box((double)o == Math.Floor((double)o) && double.IsFinite((double)o))),
        new Method("conjugate", "/", (_, o, _) => o));

    internal static Dictionary<string, Method> Table(params Method[] methods) => methods.ToDictionary(m => m.Name, StringComparer.Ordinal);
}
