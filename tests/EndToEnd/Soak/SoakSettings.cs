using System.Globalization;

namespace Kotonoha.EndToEnd.Soak;

/// <summary>How large a dose of a soak runs: small in the tests, as the scripts ask through KOTONOHA_SOAK_… otherwise.</summary>
internal static class SoakSettings
{
    public static int Value(string name, int small)
        => int.TryParse(Environment.GetEnvironmentVariable("KOTONOHA_SOAK_" + name), NumberStyles.Integer, CultureInfo.InvariantCulture,
            out int value) ? value : small;
}
