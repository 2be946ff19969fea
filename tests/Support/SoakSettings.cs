using System.Globalization;

namespace Kotonoha.Tests.Support;

/// <summary>How large a dose of a soak runs: small in the tests, as the scripts ask through KOTONOHA_SOAK_… otherwise.</summary>
public static class SoakSettings
{
    public static int Value(string name, int small)
        => int.TryParse(Environment.GetEnvironmentVariable("KOTONOHA_SOAK_" + name), NumberStyles.Integer, CultureInfo.InvariantCulture,
            out int value) ? value : small;
}
