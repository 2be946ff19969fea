using Microsoft.AspNetCore.DataProtection;

namespace Kotonoha.Server.Work;

/// <summary>What callers wrote, encrypted on the disk: by keys of ASP.NET Core's data protection in the server's home.</summary>
internal static class AtRest
{
    /// <summary>The folder of the keys, below the home; its owner alone can read it.</summary>
    public const string KeyFolder = "prompt-keys";

    /// <summary>Encrypts and decrypts for one purpose; the first time makes the keys.</summary>
    /// <param name="home">The server's home.</param>
    /// <param name="purpose">What is encrypted; another purpose cannot read it.</param>
    public static IDataProtector Protector(string home, string purpose)
    {
        var keys = Path.Combine(home, KeyFolder);
        CreateFolder(keys);
        return DataProtectionProvider.Create(new DirectoryInfo(keys), protection => protection.SetApplicationName("kotonoha"))
            .CreateProtector(purpose);
    }

    /// <summary>Makes a folder for its owner alone.</summary>
    public static void CreateFolder(string path)
    {
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(path);
        else
            Directory.CreateDirectory(path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
    }
}
