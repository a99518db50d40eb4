"""URLs of GroupMe's CDN, found in public data."""

ID = "9e20b71dd6af4b58bbd132d4a7dec009"
JPEG = f"https://i.groupme.com/480x325.jpeg.{ID}"
PNG = "https://i.groupme.com/512x512.png.2479cf12b34e45f1a5ac923001bf0b71"
GIF = "https://i.groupme.com/478x262.gif.8d7ffad57d994479b50b6dc334aad423"
LARGE = "https://i.groupme.com/4032x3024.jpeg.37f296d676e5423cac6d59eef546541e"
LEGACY = "https://i.groupme.com/acaa6e60c7430130f0981ae261cd424b"
